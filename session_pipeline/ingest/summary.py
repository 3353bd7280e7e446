"""What one look at raw/ did, in figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IngestSummary:
    """What one ingest of raw/ did.

    Attributes:
        found_count: Deliveries found under raw/.
        read_count: Files whose rows were written to the store.
        reread_count: Those of them that had been accepted before, such as after changed settings.
        redelivered_count: Deliveries whose content was already known or is read under another name.
        corrupt_count: Deliveries that are cut short, damaged or of another kind than their format.
        refused_count: Deliveries that are not accepted for another reason, such as an unknown format.
        unsettled_count: Deliveries left for the next run because they are still being written.
        accepted_count: Lines accepted from the files that were read.
        set_aside_count: Lines quarantined from the files that were read.
        withdrawn_count: Contents that were accepted before and lost their rows, because they are now corrupt or
            refused under the current settings.
        frozen_count: Accepted lines of frozen days, which are counted but not built, and stored only if an open day has
            their UTC date, too. Lines that were counted when their file was read before are left out.
    """

    found_count: int = 0
    read_count: int = 0
    reread_count: int = 0
    redelivered_count: int = 0
    corrupt_count: int = 0
    refused_count: int = 0
    unsettled_count: int = 0
    accepted_count: int = 0
    set_aside_count: int = 0
    withdrawn_count: int = 0
    frozen_count: int = 0
