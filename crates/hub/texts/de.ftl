# SPDX-License-Identifier: EUPL-1.2
# Texte für Bildschirm, Zeitleiste und Fehlerantworten. Schlüssel = stabiler Code.
# Jeder Satz sagt, was geschehen ist; wer handeln muss, steht in fault-*.

fault-operator = Betrieb der Poststelle
fault-tenant = Verwaltung des Mandanten
fault-remote = Gegenstelle
fault-sender = Absender
fault-nobody = niemand, es geht von selbst weiter

PST-STORE-0001 = Die Datenbank antwortet nicht: Neue Nachrichten werden vorübergehend abgewiesen und vom Absender erneut gesendet, es geht nichts verloren; der Betrieb muss die Datenbank prüfen.
PST-STORE-0002 = Der Speicher für Nachrichteninhalte antwortet nicht: Neue Nachrichten werden vorübergehend abgewiesen und vom Absender erneut gesendet, es geht nichts verloren; der Betrieb muss den Speicher prüfen.
PST-STORE-0003 = Der Speicher für Nachrichteninhalte ist voll: Neue Nachrichten werden vorübergehend abgewiesen und vom Absender erneut gesendet, es geht nichts verloren; der Betrieb muss Platz schaffen.
PST-STORE-0004 = Der Eintrag wurde inzwischen von jemand anderem geändert. Bitte neu laden und noch einmal versuchen.
PST-STORE-0005 = Diesen Eintrag gibt es schon.
PST-STORE-0006 = Der Eintrag wurde nicht gefunden.
PST-STORE-0007 = Ein gespeicherter Wert ist nicht lesbar. Der Betrieb muss die Datenbank prüfen.
PST-STORE-0008 = Ein Zugriff über die Mandantengrenze wurde verhindert. Der Betrieb muss den Vorgang prüfen.
PST-STORE-0009 = Ein Schlüssel passt nicht oder Daten wurden verändert. Der Betrieb muss den Wurzelschlüssel und den Speicher prüfen.
PST-STORE-0010 = Die Konfiguration ist fehlerhaft: { $detail }
PST-STORE-0011 = Die Datenbank hat den Stand { $have }, dieses Programm kennt nur den Stand { $known }. Der Betrieb muss das neuere Programm verwenden.
PST-STORE-0012 = Die Datenbank hat den Stand { $have }, dieses Programm braucht den Stand { $known }. Der Betrieb muss zuerst „poststelle migrate“ ausführen.
PST-STORE-0013 = Die Platte der Datenbank ist voll: Neue Nachrichten werden vorübergehend abgewiesen und vom Absender erneut gesendet, es geht nichts verloren; der Betrieb muss Platz schaffen.
PST-STORE-0014 = Die Datenbank kann nicht schreiben, weil ihre Platte nur lesbar oder gestört ist: Neue Nachrichten werden vorübergehend abgewiesen und vom Absender erneut gesendet, es geht nichts verloren; der Betrieb muss den Datenträger prüfen.
PST-STORE-0015 = Der Speicher für Nachrichteninhalte ist nur lesbar: Neue Nachrichten werden vorübergehend abgewiesen und vom Absender erneut gesendet, es geht nichts verloren; der Betrieb muss ihn wieder beschreibbar machen.

PST-ACCEPT-0001 = Die Poststelle nimmt gerade zu viele Nachrichten gleichzeitig an. Bitte in einigen Minuten erneut senden.
PST-ACCEPT-0002 = Die Nachricht ist größer als die zulässigen { $cap } Bytes.
PST-ACCEPT-0003 = Eine Sendung darf höchstens { $cap } Mandanten auf einmal erreichen. Bitte auf mehrere Sendungen verteilen.
PST-ACCEPT-0004 = Die Nachricht konnte nicht gespeichert werden. Bitte erneut senden; es wurde nichts bestätigt.

PST-HUB-0001 = Dieser Kanal holt keine Nachrichten ab.
PST-HUB-0002 = Der Bestandteil { $part } liegt außerhalb der Nachricht. Der Betrieb muss den Speicher prüfen.
PST-HUB-0003 = Die Kontrollnachricht ist seit { $since } nicht zurückgekommen. Der Betrieb muss Ein- und Ausgang der E-Mail prüfen.
PST-HUB-0004 = Die Bilanz geht nicht auf: { $count } Einträge sind ohne Nachweis oder ohne Bearbeitung. Der Betrieb muss sie mit „poststelle balance“ prüfen.
PST-HUB-0005 = Das Ziel { $lane } ist gestört und wird bis { $until } nicht angesprochen.
PST-HUB-0006 = Die Uhr dieses Knotens weicht um { $seconds } Sekunden von der Datenbank ab; der Betrieb muss die Zeitquelle prüfen.
PST-HUB-0007 = Aus einer Datensicherung wiederhergestellt: Was nach { $at } angenommen wurde, kann fehlen. Der Betrieb muss die Kanäle auf Wiederholungen prüfen.

PST-HUB-0009 = Dieser Alarm endet von selbst, sobald seine Ursache behoben ist. Er lässt sich nicht wegnehmen.
PST-HUB-0010 = Der Nachweis dazu ließ sich nicht schreiben, deshalb wurde nichts gezeigt und nichts getan. Bitte noch einmal versuchen; hält es an, muss der Betrieb die Datenbank prüfen.

PST-DELIVER-0001 = Die Frist für die Zustellversuche ist abgelaufen.
PST-DELIVER-0002 = Das Übergabeziel ist abgeschaltet oder gelöscht. Sobald es wieder eingeschaltet ist, geht es weiter.
PST-DELIVER-0003 = Der Kanal „{ $channel }“ ist auf dieser Installation nicht eingerichtet.
PST-DELIVER-0004 = Möglicherweise doppelt übergeben: Ein früherer Versuch brach nach dem Senden ohne Antwort ab.
PST-DELIVER-0005 = Die Gegenstelle hat nicht rechtzeitig geantwortet.
PST-DELIVER-0006 = Die Nachricht hat { $size } Bytes; über den Weg „{ $channel }“ dürfen es höchstens { $cap } sein. Der Absender muss sie kleiner oder auf anderem Weg senden.

# Übergabe an Fachverfahren
PST-HOTFOLDER-1001 = Die Einstellungen der Ordnerübergabe sind nicht lesbar ({ $detail }). Die Administration des Mandanten muss sie berichtigen.
PST-HOTFOLDER-1002 = Der Übergabeordner { $path } ist nicht vorhanden. Die Administration des Mandanten muss ihn anlegen oder das Netzlaufwerk wieder einbinden; danach geht es von selbst weiter.
PST-HOTFOLDER-1003 = { $path } ist kein Ordner. Die Administration des Mandanten muss den Pfad berichtigen.
PST-HOTFOLDER-1004 = Der Übergabeordner { $path } liegt außerhalb der freigegebenen Verzeichnisse. Der Betrieb muss das Verzeichnis freigeben oder die Administration des Mandanten einen anderen Pfad eintragen.
PST-HOTFOLDER-1005 = Im Übergabeordner { $path } ist der Arbeitsordner „.poststelle“ unbrauchbar (Datei oder Verweis statt Ordner). Der Betrieb muss ihn prüfen; er gehört allein der Poststelle.
PST-HOTFOLDER-1006 = Das Dateisystem des Übergabeordners { $path } kennt keine harten Verknüpfungen; eine genau einmalige Übergabe ist dort nicht möglich. Der Betrieb muss den Ordner auf ein anderes Dateisystem legen.
PST-HOTFOLDER-1007 = Für Übergabeordner ist auf dieser Poststelle noch kein Verzeichnis freigegeben; { $path } wurde nicht eingetragen. Der Betrieb muss die Verzeichnisse freigeben (connect.hot_folder_roots).
PST-HOTFOLDER-1008 = Der Übergabeordner { $path } wurde nicht eingetragen: Ordner dieses Mandanten liegen unterhalb von { $allowed }. Die Administration des Mandanten muss einen Ordner dort eintragen; anlegen kann ihn der Betrieb.
PST-HOTFOLDER-2001 = Auf dem Datenträger des Übergabeordners { $path } ist kein Platz mehr. Der Betrieb muss Platz schaffen; danach geht es von selbst weiter.
PST-HOTFOLDER-2002 = Der Übergabeordner { $path } ist nur lesbar eingebunden. Der Betrieb muss ihn beschreibbar machen; danach geht es von selbst weiter.
PST-HOTFOLDER-2003 = Die Poststelle darf im Übergabeordner { $path } nicht schreiben. Der Betrieb muss ihr das Schreibrecht geben; danach geht es von selbst weiter.
PST-HOTFOLDER-2004 = Beim Schreiben in den Übergabeordner { $path } trat ein Fehler auf ({ $detail }). Es wird erneut versucht; hält der Fehler an, muss der Betrieb den Datenträger prüfen.
PST-HOTFOLDER-2005 = Im Übergabeordner { $path } gibt es schon einen fremden Ordner mit dem Namen der Übergabe. Die Administration des Mandanten muss ihn umbenennen oder entfernen.
PST-HOTFOLDER-2006 = Der Arbeitsordner „.poststelle“ in { $path } liegt auf einem anderen Datenträger als der Übergabeordner. Der Betrieb muss beide auf denselben Datenträger legen.
PST-HOTFOLDER-2007 = Die Übergabe wurde unterbrochen, bevor etwas sichtbar wurde. Es wird von selbst erneut versucht.
PST-HOTFOLDER-3001 = Die gespeicherte Nachricht stimmt nicht mit ihrer Prüfsumme überein; sie wurde nicht übergeben. Der Betrieb muss den Speicher prüfen und die Nachricht aus der Sicherung holen.
PST-HOTFOLDER-3002 = Bestandteil { $part } stimmt nicht mit seiner Prüfsumme überein; die Nachricht wurde nicht übergeben. Der Betrieb muss den Speicher prüfen.
PST-HOTFOLDER-4001 = Das Paket ist möglicherweise schon im Übergabeordner { $path }, das Sichern auf den Datenträger schlug aber fehl ({ $detail }). Es wird von selbst geklärt; hält der Fehler an, muss der Betrieb den Datenträger prüfen.
PST-HOTFOLDER-9001 = Die Übergabe wurde von einer Fehlerprobe beim Schritt { $step } abgebrochen.
PST-WEBHOOK-1001 = Die Einstellungen der Webhook-Übergabe sind nicht lesbar ({ $detail }). Die Administration des Mandanten muss sie berichtigen.
PST-WEBHOOK-1002 = Die Adresse { $url } ist für Webhooks nicht zulässig ({ $detail }). Die Administration des Mandanten muss eine https-Adresse eintragen.
PST-WEBHOOK-1003 = { $host } liegt im internen Netz ({ $address }) und wurde nicht aufgerufen. Die Administration des Mandanten muss die Adresse berichtigen oder der Betrieb interne Ziele ausdrücklich erlauben.
PST-WEBHOOK-1004 = Für den Webhook ist kein brauchbares Geheimnis hinterlegt (mindestens 16 Zeichen). Die Administration des Mandanten muss es eintragen.
PST-WEBHOOK-1005 = Der HTTP-Zugang ließ sich nicht einrichten ({ $detail }). Der Betrieb muss die Zertifikate des Systems prüfen.
PST-WEBHOOK-2001 = Der Name { $host } ließ sich nicht auflösen. Es wird von selbst erneut versucht; hält es an, muss die Administration des Mandanten die Adresse prüfen.
PST-WEBHOOK-2002 = { $host } ist nicht erreichbar ({ $detail }). Es wird von selbst erneut versucht; hält es an, muss der Betreiber des Fachverfahrens handeln.
PST-WEBHOOK-2003 = Die gesicherte Verbindung zu { $host } kam nicht zustande ({ $detail }). Der Betreiber des Fachverfahrens muss sein Zertifikat prüfen; es wird von selbst erneut versucht.
PST-WEBHOOK-2004 = { $host } bittet um Geduld (HTTP { $status }). Es wird von selbst erneut versucht.
PST-WEBHOOK-2005 = { $host } meldet eine Störung (HTTP { $status }). Es wird von selbst erneut versucht; hält es an, muss der Betreiber des Fachverfahrens handeln.
PST-WEBHOOK-3001 = { $host } hat die Nachricht endgültig abgelehnt (HTTP { $status }). Die Administration des Mandanten muss mit dem Betreiber des Fachverfahrens klären, warum.
PST-WEBHOOK-3002 = { $host } erkennt die Poststelle nicht an (HTTP { $status }). Die Administration des Mandanten muss das Geheimnis mit dem Betreiber des Fachverfahrens abgleichen.
PST-WEBHOOK-3003 = Unter der eingetragenen Adresse nimmt { $host } nichts (mehr) an (HTTP { $status }). Die Administration des Mandanten muss die Adresse berichtigen.
PST-WEBHOOK-3004 = { $host } leitet auf eine andere Adresse um (HTTP { $status }, { $location }); Umleitungen werden nicht befolgt. Die Administration des Mandanten muss die neue Adresse eintragen.
PST-WEBHOOK-4001 = { $host } hat die Nachricht möglicherweise erhalten, aber nicht rechtzeitig geantwortet. Sie wird mit derselben Kennung erneut angeboten; das Fachverfahren erkennt Wiederholungen daran.
PST-WEBHOOK-4002 = Die Verbindung zu { $host } riss nach dem Senden ab ({ $detail }); die Nachricht kam möglicherweise an. Sie wird mit derselben Kennung erneut angeboten; das Fachverfahren erkennt Wiederholungen daran.

PST-MAIL-2001 = Der Mailserver des Empfängers { $recipient } hat den Eingang bestätigt ({ $status }).
PST-MAIL-2002 = An ein System weitergeleitet, das keine Bestätigungen sendet; ob die Nachricht bei { $recipient } ankam, ist nicht bekannt.
PST-MAIL-4001 = Der Mailserver der Gegenseite versucht noch, an { $recipient } zuzustellen ({ $status }): { $detail }
PST-MAIL-5001 = Die Zustellung an { $recipient } ist endgültig gescheitert ({ $status }): { $detail }

PST-MAIL-4002 = Für die Domäne { $domain } ist kein Mailserver eingerichtet. Der Betrieb muss eine Route eintragen.
PST-MAIL-4003 = Der Mailserver { $host } ist nicht erreichbar: { $detail }
PST-MAIL-4004 = Der Mailserver { $host } hat die Nachricht noch nicht übernommen: { $detail }
PST-MAIL-4005 = Die Verbindung zu { $host } brach nach dem Senden ab. Ob die Nachricht dort ankam, wird geklärt: { $detail }
PST-MAIL-4006 = Welcher Mailserver Post für { $domain } annimmt, war nicht zu erfahren: { $detail }. Es wird von selbst erneut versucht.
PST-MAIL-5002 = Die Nachricht lief im Kreis und wird nicht weitergeleitet. Die Verwaltung des Mandanten muss die Weiterleitungsregeln prüfen.
PST-MAIL-5003 = { $address } ist keine gültige E-Mail-Adresse.
PST-MAIL-5005 = Der Mailserver hat die Nachricht an { $recipient } abgelehnt: { $detail }
PST-MAIL-5006 = Die Domäne { $domain } nimmt überhaupt keine E-Mail an; so steht es im DNS. Der Absender muss eine andere Adresse verwenden.
PST-MAIL-5007 = Die Domäne { $domain } gibt es nicht. Der Absender muss die Adresse prüfen.
PST-MAIL-5008 = Für die Domäne { $domain } gibt es keinen Mailserver. Der Absender muss die Adresse prüfen.
PST-MAIL-5009 = Der Mailserver der Domäne { $domain } ist laut DNS diese Poststelle selbst, die Adresse gibt es hier aber nicht. Der Betrieb muss die Domäne einrichten oder eine Route eintragen.
PST-MAIL-5010 = Der Mailserver der Domäne { $domain } liegt auf einer internen Adresse; dorthin wird nichts gesandt ({ $detail }). Ist das gewollt, muss der Betrieb eine Route eintragen.

PST-API-0001 = Bitte melden Sie sich an oder senden Sie ein gültiges Zugangstoken.
PST-API-0002 = Das gibt es hier nicht, oder Sie dürfen es nicht sehen.
PST-API-0003 = Die Anfrage ist nicht vollständig: { $detail }
PST-API-0004 = Zu viele Anfragen. Bitte nach { $seconds } Sekunden erneut versuchen.

event-ReceivedFromNonERDS = Eingegangen
event-SubmissionAcceptance = Zur Bearbeitung angenommen
event-Processed = Geprüft und verteilt
event-Deferred = Noch nicht übergeben
event-Unclear = Ergebnis unklar
event-Parked = Wartet auf eine Person
event-Resumed = Übergabe fortgesetzt
event-ContentConsignment = Übergeben
event-ContentConsignmentFailure = Übergabe gescheitert
event-RelayAcceptance = Von der Gegenstelle übernommen
event-RelayRejection = Von der Gegenstelle abgelehnt
event-RelayToNonERDS = Als E-Mail abgesandt
event-RelayFailure = Zustellung aufgegeben
event-ReceiptFolded = Rückmeldung der Gegenseite
event-SenderNotified = Absender benachrichtigt
event-ContentAccessTracking = Angesehen
event-DeskWork = Bearbeitung
event-Noted = Vermerk geschrieben
event-Created = Angelegt
event-Changed = Geändert
event-Ended = Beendet
event-SignedIn = Angemeldet
event-Acknowledged = Alarm zur Kenntnis genommen
event-EpochOpened = Nach Wiederherstellung fortgesetzt

notice-fortgesetzt = Die Übergabe geht weiter. Was daraus wird, steht in der Zeitleiste.
notice-unveraendert = Diese Übergabe wartete nicht mehr auf eine Person. Es wurde nichts geändert; der heutige Stand steht unten.

reading-seen = Von { $who } geöffnet.
reading-original = Original von { $who } gespeichert.
reading-part = Bestandteile von { $who } gespeichert.
reading-attachments = Alle Anhänge von { $who } gespeichert.

state-planned = vorgesehen
state-sending = wird übergeben
state-deferred = wartet auf neuen Versuch
state-unclear = Ergebnis unklar, wird geklärt
state-accepted = von der Gegenstelle übernommen
state-confirmed = angekommen
state-rejected = abgelehnt
state-expired = Frist abgelaufen
state-parked = wartet auf eine Person

# Web: Seiten und Schnittstelle
PST-ACCOUNT-0001 = Das bisherige Passwort ist falsch.
PST-ACCOUNT-0002 = Das neue Passwort ist zu kurz, gleicht dem bisherigen oder enthält Ihren Anmeldenamen. Bitte wählen Sie ein anderes.
PST-ACCOUNT-0003 = Der Code ist falsch, abgelaufen oder schon benutzt. Bitte warten Sie auf den nächsten Code der App und prüfen Sie, ob die Uhr Ihres Geräts stimmt.
PST-ACCOUNT-0004 = Nach mehreren falschen Eingaben ist das Konto für einige Minuten gesperrt. Bitte versuchen Sie es danach noch einmal.
PST-ACCOUNT-0005 = Die beiden Eingaben des neuen Passworts sind verschieden.
PST-ACCOUNT-0006 = Der Code passt nicht zum Schlüssel. Bitte übernehmen Sie den neuen Schlüssel unten in die App und prüfen Sie, ob die Uhr Ihres Geräts stimmt.
PST-WEB-0001 = Das Formular gehört nicht zu Ihrer Anmeldung oder ist veraltet. Bitte laden Sie die Seite neu und versuchen Sie es noch einmal.
PST-WEB-0002 = Anmeldename oder Passwort ist falsch, oder das Konto ist vorübergehend gesperrt. Bitte versuchen Sie es noch einmal oder wenden Sie sich an die Verwaltung Ihres Mandanten.
PST-WEB-0003 = Zu viele vergebliche Anmeldungen. Bitte versuchen Sie es nach { $seconds } Sekunden noch einmal.
PST-WEB-0004 = Diese Seite ist dem Betrieb der Poststelle vorbehalten.
PST-WEB-0005 = Diese Adresse kann so nicht benutzt werden. Bitte prüfen Sie die Methode der Anfrage.
PST-WEB-0006 = Die Anfrage ist größer, als hier zulässig ist.
PST-WEB-0007 = Bei der Bearbeitung ist ein Fehler aufgetreten. Bitte versuchen Sie es noch einmal; bleibt der Fehler, muss der Betrieb das Protokoll prüfen.
PST-WEB-0008 = Die Anfrage kam von einer fremden Seite und wurde nicht ausgeführt.

PST-WEB-0009 = Das ist kein Tag. Bitte geben Sie ihn an wie 2026-03-31 oder wählen Sie ihn im Kalender.
PST-WEB-0010 = Von diesem Bestandteil gibt es keine Vorschau: Gezeigt werden Bilder (PNG, JPEG, GIF, WebP) und PDF-Dokumente bis 20 MiB. Bitte speichern Sie ihn.
PST-WEB-0011 = Vorschau nicht möglich: Das Dokument ist beschädigt, geschützt oder zu aufwendig. Bitte speichern Sie das Original und öffnen Sie es dort, wo Sie solche Dokumente lesen.
PST-API-0005 = Mit diesem Zugangstoken dürfen hier keine Nachrichten übergeben werden. Die Verwaltung des Mandanten muss die Rolle „intake“ erteilen.
PST-API-0006 = Der Inhaltstyp ist nicht lesbar, oder die Anfrage ist komprimiert. Bitte senden Sie den Inhalt unverändert mit einem gültigen Content-Type.
PST-API-0007 = Die Anfrage enthält keine Nachricht.
PST-API-0008 = Die Übertragung brach ab, bevor die Nachricht vollständig war. Es wurde nichts gespeichert. Bitte senden Sie sie erneut.
PST-API-0009 = Dieses Postfach gibt es hier nicht, oder es ist abgeschaltet.
PST-API-0010 = Sie dürfen diese Nachricht lesen, aber nichts an ihr veranlassen. Die Verwaltung des Mandanten muss die Rolle „clerk“ erteilen.

detail-unreadable = Sie ist nicht lesbar.
detail-header-twice = Eine Kopfzeile steht doppelt.
detail-header-text = Eine Kopfzeile enthält unzulässige Zeichen.
detail-idempotency-key = Idempotency-Key hat 1 bis 200 druckbare ASCII-Zeichen.
detail-mailbox = X-Poststelle-Mailbox ist keine gültige Kennung.
body-html = Diese Nachricht ist als HTML geschrieben. Skripte, Formulare und Gestaltung wurden entfernt; hinter jedem Verweis steht, wohin er führt.
body-pictures = Bilder wurden entfernt; aus dem Netz wird nichts geladen.
body-words = Diese Nachricht ist als HTML geschrieben und zu verschachtelt, um sie sicher zu zeigen. Gezeigt wird nur ihr Text.
body-cut = Der Text ist hier gekürzt; vollständig steht er im Original.
detail-words = In „q“ muss mindestens ein Wort stehen.
detail-tenant = Bei mehreren Mandanten muss „tenant“ angegeben werden.

status-400 = Anfrage nicht verstanden
status-401 = Anmeldung nötig
status-403 = Nicht erlaubt
status-404 = Nicht gefunden
status-405 = Nicht möglich
status-408 = Zu lange gewartet
status-409 = Nicht möglich
status-413 = Zu groß
status-415 = Inhaltstyp nicht lesbar
status-422 = Nicht verarbeitbar
status-429 = Zu viele Anfragen
status-500 = Fehler
status-503 = Vorübergehend nicht möglich

state-unprocessed = wird geprüft
state-none = ohne Übergabe

component-database = Datenbank
component-blobs = Speicher für Nachrichteninhalte
component-clock = Uhr

queue-process = Prüfung und Verteilung
queue-deliver = Übergabe
queue-send = Versand aus Entwürfen
queue-notice = Mitteilung an Absender
queue-dsn = Rückmeldung der Gegenseite

mismatch-unproven = Nachricht ohne Nachweis
mismatch-lost = Nachweis ohne Nachricht
mismatch-stuck_message = angenommen, aber ohne Auftrag zur Bearbeitung
mismatch-stuck_delivery = offene Übergabe ohne Auftrag
mismatch-itemless = an einen Arbeitskorb übergeben, liegt dort aber nicht

receipt-smtp-dialogue = Gespräch mit dem Mailserver
receipt-dsn = Zustellbericht
receipt-http-response = Antwort des Fachverfahrens
receipt-hot-folder = Ablage im Übergabeordner

defect = Auffälligkeit: { $code }.
defect-mail-loop = Die E-Mail lief über sehr viele Server, vermutlich im Kreis.
defect-unreadable = Der Inhalt konnte nicht geprüft werden; die Nachricht wird unverändert weitergegeben.
defect-bare-lf = Zeilen enden nicht, wie es die Norm verlangt (nur LF).
defect-bare-cr = Zeilen enden nicht, wie es die Norm verlangt (nur CR).
defect-nul = Der Inhalt enthält Null-Zeichen.
defect-bad-header-line = Eine Kopfzeile ist unlesbar und wurde übergangen.
defect-unterminated-header = Die Kopfzeilen enden ohne Leerzeile.
defect-duplicate-header = Eine Kopfzeile steht doppelt; die erste gilt.
defect-bad-content-type = Die Angabe der Dateiart ist unlesbar.
defect-unknown-encoding = Die Art der Kodierung ist unbekannt; der Inhalt ist unverändert.
defect-encoded-container = Eine Hülle ist unzulässig kodiert.
defect-no-boundary = Die Angabe zur Trennung der Bestandteile fehlt; der Inhalt blieb ungeteilt.
defect-long-boundary = Die Trennzeile ist ungewöhnlich lang.
defect-no-start-boundary = Die angekündigte Trennzeile kommt nicht vor; der Inhalt blieb ungeteilt.
defect-missing-close-boundary = Die letzte Trennzeile fehlt; die Nachricht könnte abgeschnitten sein.
defect-broken-base64 = Die Kodierung ist beschädigt; die Datei könnte unvollständig sein.
defect-broken-quoted-printable = Die Kodierung ist beschädigt; einzelne Zeichen können fehlen.
defect-max_name_bytes = Der Dateiname war zu lang und wurde gekürzt.
defect-max_header_bytes = Die Kopfzeilen sind zu lang; der Rest wurde nicht ausgewertet.
defect-max_headers = Zu viele Kopfzeilen; der Rest wurde nicht ausgewertet.
defect-max_depth = Zu tief verschachtelt; der innerste Teil blieb ungeteilt.
defect-max_parts = Zu viele Bestandteile; der Rest blieb ein Stück.
defect-max_retained_bytes = Zu viele Angaben zu Bestandteilen; der Rest blieb ein Stück.

desk-did-claim = { $who } bearbeitet die Nachricht.
desk-did-release = { $who } hat die Nachricht für alle freigegeben.
desk-did-hand_over = { $who } hat die Nachricht an { $owner } weitergegeben.
desk-did-wait = { $who } hat die Nachricht bis { $until } zurückgestellt; zuständig: { $owner }.
desk-did-finish = { $who } hat die Nachricht erledigt.
desk-did-reopen = { $who } hat die Nachricht wieder aufgenommen.
desk-did-undo = { $who } hat den letzten eigenen Schritt rückgängig gemacht.
written-here = Von { $who } geschrieben und zum Versand gegeben; geht aus von { $sender }.
desk-did-reply = { $who } hat geantwortet.
desk-did-forward = { $who } hat die Nachricht weitergeleitet.
desk-did-release_out = { $who } hat die Nachricht zum Versand freigegeben (Vier-Augen-Prinzip).
desk-state-new = neu
desk-state-claimed = in Bearbeitung
desk-state-waiting = zurückgestellt
desk-state-done = erledigt
PST-DESK-0001 = Jemand anderes hat diesen Vorgang inzwischen geändert; er ist jetzt „{ $state }“. Ihre Änderung wurde nicht ausgeführt. Bitte sehen Sie sich den neuen Stand an und entscheiden Sie neu.
PST-DESK-0002 = Das geht im Stand „{ $state }“ nicht. Bitte laden Sie die Seite neu.
PST-DESK-0003 = Diese Person darf die Nachricht nicht bearbeiten. Bitte wählen Sie eine andere oder lassen Sie die Rechte von der Administration des Mandanten ändern.
PST-DESK-0004 = Zurückstellen geht auf einen Tag ab morgen, längstens ein Jahr.
PST-DESK-0005 = Ein Vermerk ist nicht leer und höchstens { $cap } Bytes lang.
desk-empty-offen = Hier ist nichts offen. Sobald Post eingeht, steht sie in dieser Liste.
desk-empty-neu = Hier ist nichts Neues.
desk-empty-meine = Sie haben hier nichts in Bearbeitung.
desk-empty-zurueckgestellt = Hier ist nichts zurückgestellt.
desk-empty-erledigt = Hier ist noch nichts erledigt.
notice-vorgang = Ihr Schritt ist ausgeführt und steht in der Zeitleiste.
notice-vermerk = Ihr Vermerk ist gespeichert.

# Schreiben
PST-DRAFT-0001 = Dieser Entwurf wurde inzwischen in einem anderen Fenster geändert. Ihre Änderung ist noch nicht gespeichert.
PST-DRAFT-0002 = „{ $address }“ ist keine E-Mail-Adresse, an die gesendet werden kann. Bitte schreiben Sie Adressen wie name@beispiel.de, mehrere durch Komma getrennt und ohne Umlaute.
PST-DRAFT-0003 = Es fehlt ein Empfänger. Bitte tragen Sie unter „An“ mindestens eine E-Mail-Adresse ein.
PST-DRAFT-0004 = Eine Nachricht geht an höchstens { $cap } Empfänger. Bitte teilen Sie sie auf.
PST-DRAFT-0005 = Es fehlt ein Betreff.
PST-DRAFT-0006 = Der Text ist zu lang; erlaubt sind { $cap } Bytes. Bitte kürzen Sie ihn oder hängen Sie ihn als Datei an.
PST-DRAFT-0007 = An eine Nachricht passen höchstens { $cap } Dateien.
PST-DRAFT-0008 = Die Dateien sind zusammen zu groß; erlaubt sind { $cap } MB für eine Nachricht.
PST-DRAFT-0009 = Die Datei „{ $name }“ ist noch nicht vollständig hochgeladen. Bitte laden Sie sie zu Ende hoch oder entfernen Sie sie.
PST-DRAFT-0010 = Das Postfach, von dem die Nachricht ausgehen müsste, hat keine E-Mail-Adresse, ist abgeschaltet oder nicht für Sie freigegeben. Die Verwaltung des Mandanten muss das ändern.
PST-DRAFT-0011 = Diese Nachricht wartet schon auf den Versand oder ist gesendet. Am Entwurf lässt sich nichts mehr ändern.
PST-DRAFT-0012 = Das Hochladen geht an einer anderen Stelle weiter: { $offset } Bytes sind schon da.
PST-DRAFT-0013 = Später senden geht auf einen Zeitpunkt in der Zukunft, längstens in einem Jahr.
PST-DRAFT-0014 = Die Liste der Empfänger ist zu lang; erlaubt sind { $cap } Bytes.
PST-DRAFT-0015 = Der Betreff ist zu lang; erlaubt sind { $cap } Bytes.
PST-DRAFT-0016 = Die eigene Nachricht kann man nicht selbst freigeben. Bitte warten Sie auf eine zweite Person.
PST-DRAFT-0017 = Die zweite Person hat die Nachricht nicht freigegeben und zurückgegeben. Bitte sprechen Sie sich ab und senden Sie sie dann noch einmal.
notice-freigabe = Die Nachricht wartet darauf, dass eine zweite Person sie freigibt.
notice-zurueckgegeben = Die Nachricht ist an die Person zurückgegeben, die sie geschrieben hat.
notice-gesendet = Die Nachricht ist zum Versand übergeben. Was daraus wird, steht unter „Übergaben“ und in der Zeitleiste.
notice-angelegt = Der Entwurf ist angelegt und steht unter „Schreiben“, bis Sie ihn senden oder löschen.
notice-gespeichert = Der Entwurf ist gespeichert.
notice-angehaengt = Die Datei ist angehängt, der Entwurf gespeichert.
notice-entfernt = Die Datei ist entfernt, der Entwurf gespeichert.
notice-wartet = Die Nachricht wartet auf ihren Versand.
notice-zurueckgeholt = Die Nachricht ist zurückgeholt und wieder ein Entwurf.
notice-geloescht = Der Entwurf ist gelöscht.

# Regeln
PST-RULE-0001 = Die Bedingung hat { $bytes } Bytes; höchstens { $cap } sind erlaubt. Bitte teilen Sie die Regel auf.
PST-RULE-0002 = Die Bedingung ist in Zeile { $line }, Stelle { $column } nicht zu verstehen ({ $detail }). Bitte berichtigen Sie sie; die Beispiele auf der Seite helfen dabei.
PST-RULE-0003 = Die Bedingung ist zu tief verschachtelt ({ $depth } Ebenen, erlaubt sind { $cap }). Bitte teilen Sie die Regel auf.
PST-RULE-0004 = Die Bedingung baut mit „map“ eine Liste; das gibt es hier nicht. Bitte benutzen Sie exists, all oder filter.
PST-RULE-0005 = Die Bedingung scheitert an einer Beispielnachricht: { $detail }. Bitte prüfen Sie die Namen der Felder; heraus kommen muss wahr oder falsch.
PST-RULE-0006 = Eine Regel braucht einen Namen mit 1 bis 200 Zeichen.
PST-RULE-0007 = Die Regel „{ $rule }“ sagt nicht, was geschehen soll. Bitte wählen Sie mindestens eine Aktion, höchstens 20.
PST-RULE-0008 = Ein Mandant kann höchstens { $cap } Regeln haben. Bitte fassen Sie Regeln zusammen.
PST-RULE-0009 = Regeln dieses Mandanten werden nur zu zweit freigegeben. Eine Person legt den Entwurf vor, eine andere gibt ihn frei: aus der Verwaltung des Mandanten oder der Betrieb der Poststelle.
PST-RULE-0010 = Es gibt nichts freizugeben: Der Entwurf unterscheidet sich nicht von den geltenden Regeln.
PST-RULE-0011 = Die Regel „{ $rule }“ nennt einen Arbeitskorb, ein Ziel oder eine Adresse, die es für diesen Mandanten nicht gibt. Bitte wählen Sie neu.
PST-RULE-0012 = Die Freigabe zu zweit kann eine Person allein nicht abschalten. Bitte wenden Sie sich an den Betrieb der Poststelle.
PST-RULE-0013 = Jemand anderes hat den Entwurf oder die geltenden Regeln inzwischen geändert. Ihre Änderung wurde nicht übernommen. Bitte sehen Sie sich den neuen Stand an und wiederholen Sie sie.
PST-RULE-0014 = Zeile { $line } der Bedingung ist unvollständig: Der Wert fehlt oder passt nicht zum Feld. Bitte ergänzen Sie ihn.
PST-RULE-0015 = Eine Regel mit dem Namen „{ $rule }“ gibt es schon. Bitte wählen Sie einen anderen Namen.

# Ziele
PST-CONNECTOR-0001 = Ein Ziel braucht einen Namen mit 1 bis 200 Zeichen.
PST-CONNECTOR-0002 = Diese Art von Ziel gibt es hier nicht.
PST-CONNECTOR-0003 = Jemand anderes hat dieses Ziel inzwischen geändert. Ihre Änderung wurde nicht übernommen. Bitte sehen Sie sich den neuen Stand an und wiederholen Sie sie.
PST-CONNECTOR-0004 = Das Ziel hat nach { $seconds } Sekunden nicht geantwortet. Bitte prüfen Sie, ob das Fachverfahren oder das Netzlaufwerk läuft.
PST-CONNECTOR-0005 = Ein Webhook braucht ein Geheimnis. Bitte tragen Sie eines ein oder lassen Sie eines erzeugen.
PST-CONNECTOR-0006 = Ein Ziel mit dem Namen „{ $name }“ gibt es schon. Bitte wählen Sie einen anderen Namen.

# Was mit Regeln und Zielen geschah
rules-did-put = Regel „{ $rule }“ im Entwurf geschrieben.
rules-did-up = Regel „{ $rule }“ im Entwurf nach oben gerückt.
rules-did-down = Regel „{ $rule }“ im Entwurf nach unten gerückt.
rules-did-on = Regel „{ $rule }“ im Entwurf eingeschaltet.
rules-did-off = Regel „{ $rule }“ im Entwurf ausgeschaltet.
rules-did-remove = Regel „{ $rule }“ aus dem Entwurf entfernt.
rules-did-replace = Den ganzen Entwurf neu geschrieben.
rules-did-take_back = Fassung { $release } als Entwurf übernommen.
rules-did-propose = Den Entwurf zur Freigabe vorgelegt.
rules-did-discard = Den Entwurf verworfen.
rules-did-two_persons = Bestimmt: Regeln werden nur zu zweit freigegeben.
rules-did-two_persons-not = Die Freigabe zu zweit aufgehoben.
rules-did-over = Der Entwurf ist mit Fassung { $release } in Kraft getreten.
rules-did-released = Fassung { $release } freigegeben.
rules-did-new = Regel „{ $rule }“ gilt neu (Fassung { $version }).
rules-did-changed = Regel „{ $rule }“ gilt geändert (Fassung { $version }).
connector-did-created = Ziel „{ $name }“ angelegt.
connector-did-renamed = Heißt jetzt „{ $name }“.
connector-did-config = Einstellungen geändert.
connector-did-secret = Neues Geheimnis hinterlegt.
connector-did-on = Eingeschaltet.
connector-did-off = Ausgeschaltet.
connector-did-saved = Ohne Änderung gespeichert.
