"""Knows what exports in German, French, Spanish, Italian, Portuguese and Dutch call the columns of events, and counts.

Only names that mean little else, written as field_names.py compares names: in lower case, without accents, spaces and
punctuation. Besucher and Nutzer are left out, as they are also counts of visitors; so are client, for the program, and
valor.
"""

from collections.abc import Mapping

# In each column: German, French, Spanish, Italian, Portuguese, Dutch; a name of several languages stands once.
TRANSLATED_NAMES: Mapping[str, tuple[str, ...]] = {
    "visitor_id": (
        "besucherid", "idvisiteur", "visiteurid", "idvisitante", "iddevisitante", "visitanteid", "idvisitatore",
        "visitatoreid", "bezoekerid", "bezoekersid", "visiteur", "visitante", "visitatore", "bezoeker",
        "nutzerid", "benutzerid", "idutilisateur", "utilisateurid", "idusuario", "iddeusuario", "usuarioid",
        "iddousuario", "idutente", "utenteid", "idutilizador", "gebruikerid", "gebruikersid", "utilisateur", "usuario",
        "utente", "utilizador", "gebruiker", "kundenid", "kundennummer", "kundennr", "idclient", "numeroclient",
        "numerodeclient", "codeclient", "idcliente", "iddecliente", "iddelcliente", "iddocliente", "numerocliente",
        "numerodecliente", "codigocliente", "codigodecliente", "codicecliente", "klantid", "klantnummer", "klantnr",
        "kunde", "klant",
    ),
    "event_time": (
        "zeitstempel", "zeitpunkt", "datumuhrzeit", "datumunduhrzeit", "horodatage", "dateheure", "dateetheure",
        "marcadetiempo", "fechahora", "fechayhora", "dataora", "dataeora", "datahora", "dataehora",
        "tijdstip", "tijdstempel", "datumtijd", "datumentijd", "datum", "fecha", "uhrzeit", "heure", "hora", "ora",
        "tijd",
    ),
    "event_name": (
        "ereignisname", "ereignistyp", "nomevenement", "nomdelevenement", "typeevenement", "typedevenement",
        "nombreevento", "nombredeevento", "nombredelevento", "tipoevento", "tipodeevento", "nomeevento",
        "nomedellevento", "tipodievento", "nomedoevento", "gebeurtenisnaam", "ereignis", "evenement", "evento",
        "gebeurtenis",
    ),
    "event_id": ("ereignisid", "idevenement", "idevento", "gebeurtenisid"),
    "user_id": ("kundenid", "kundennummer", "numeroclient", "numerocliente", "klantnummer"),
    "client_session_id": (
        "sitzungsid", "sitzungid", "idsession", "iddesession", "idsesion", "iddesesion", "idsessione", "idsessao",
        "iddasessao", "sessieid",
    ),
    "page_url": ("seitenurl", "seitenpfad", "urldelapage", "urlpagina", "urldelapagina", "urldapagina", "paginaurl",
                 "seite", "pagina"),
    "page_title": (
        "seitentitel", "titrepage", "titredelapage", "titulopagina", "titulodelapagina", "titolopagina",
        "titolodellapagina", "titulodapagina", "paginatitel",
    ),
    "value": (
        "umsatz", "gesamtbetrag", "gesamtsumme", "summe", "bestellwert", "betrag", "chiffredaffaires", "montanttotal",
        "montant", "importetotal", "importe", "importototale", "importo", "fatturato", "valortotal", "faturamento",
        "omzet", "totaalbedrag", "bedrag",
    ),
    "currency": (
        "wahrung", "waehrung", "wahrungscode", "devise", "codedevise", "monnaie", "moneda", "codigomoneda",
        "codigodemoneda", "divisa", "valuta", "codicevaluta", "moeda", "codigodamoeda", "valutacode",
    ),
}  # fmt: skip

# Columns of reports, as GA4, Matomo and others export them from their pages; the same languages in the same order.
TRANSLATED_COUNTS = frozenset((
    "aufrufe", "seitenaufrufe", "seitenansichten", "nutzer", "aktivenutzer", "neuenutzer", "nutzerinsgesamt", "besuche",
    "besucher", "eindeutigebesucher", "sitzungen", "sitzungenmitinteraktionen", "interaktionsrate", "ereignisanzahl",
    "schlusselereignisse", "absprungrate", "gesamtumsatz", "impressionen", "konversionen",
    "vues", "pagesvues", "utilisateurs", "utilisateursactifs", "nouveauxutilisateurs", "nombretotaldutilisateurs",
    "visites", "visiteurs", "visiteursuniques", "sessionsavecengagement", "tauxdengagement", "nombredevenements",
    "evenementscles", "tauxderebond", "revenutotal",
    "vistas", "paginasvistas", "usuarios", "usuariosactivos", "usuariosnuevos", "nuevosusuarios", "totaldeusuarios",
    "visitas", "visitantes", "visitantesunicos", "sesiones", "sesionesconinteraccion", "numerodeeventos",
    "recuentodeeventos", "eventosclave", "porcentajederebote", "tasaderebote", "ingresostotales", "impresiones",
    "conversiones",
    "visualizzazioni", "visualizzazionidipagina", "utenti", "utentiattivi", "nuoviutenti", "utentitotali", "visite",
    "visitatori", "visitatoriunici", "sessioni", "sessioniconcoinvolgimento", "tassodicoinvolgimento",
    "conteggioeventi", "eventichiave", "frequenzadirimbalzo", "entratetotali", "impressioni", "conversioni",
    "visualizacoes", "visualizacoesdepagina", "usuariosativos", "novosusuarios", "utilizadores", "utilizadoresativos",
    "novosutilizadores", "totaldeutilizadores", "sessoes", "sessoesengajadas", "taxadeengajamento",
    "contagemdeeventos", "eventosprincipais", "taxaderejeicao", "receitatotal", "impressoes", "conversoes",
    "weergaven", "paginaweergaven", "gebruikers", "actievegebruikers", "nieuwegebruikers", "totaalaantalgebruikers",
    "bezoeken", "bezoekers", "uniekebezoekers", "sessies", "engagementpercentage", "aantalgebeurtenissen",
    "belangrijkegebeurtenissen", "bouncepercentage", "totaleopbrengst", "vertoningen", "conversies",
))  # fmt: skip
