"""Draws the charts of the report as SVG, without scripts, fonts or external references.

Each chart has a name and a short description for people who cannot see it; the figures are in a table of the page.
sections.py and the modules of the sections decide what is drawn and in which widths; svg.py writes the elements.
"""

from session_pipeline.report.charts.comparison import comparison
from session_pipeline.report.charts.days import days
from session_pipeline.report.charts.funnel import funnel
from session_pipeline.report.charts.rates import has_arrows, rates
from session_pipeline.report.charts.shares import Bar, stacked_bars
from session_pipeline.report.charts.sparkline import sparkline

__all__ = ["Bar", "comparison", "days", "funnel", "has_arrows", "rates", "sparkline", "stacked_bars"]
