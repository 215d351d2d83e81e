"""Words that people's names follow, given names, and words that no name contains.

Lists of phrases are separated by commas.
"""

# The last words of "kind regards", "bien à vous", "mit freundlichen Grüßen" and so on.
SIGN_OFFS = """
regards, wishes, thanks, thank you, thanks again, thanks a lot, in advance, so much, very much, thx, yours, sincerely,
faithfully, truly, cheers, br, rgds, best, cordialement, cdlt, cdt, à vous, a vous, à toi, journée, journee,
salutations, distinguées, distinguees, distingués, amicalement, bonne soirée, bonne soiree, merci, d'avance, d’avance,
beaucoup, respectueusement, respectfully, cordially, warmly, take care,
 grüßen, grüssen, gruessen, grüße, grüsse, gruesse, gruß, gruss,
dank, danke, mfg, vg, lg, hochachtungsvoll, saludo, saludos, cordiales, cordialmente, respetuosamente, abrazo, abrazos,
atentamente, gracias, saluti, grazie, mille,
groet, groeten, groetjes, mvg, bedankt, cumprimentos, atenciosamente, obrigado, obrigada, pozdrawiam, poważaniem,
powazaniem, hälsning, hälsningar, halsningar, mvh, hilsen
"""
# As they are written: "m." would also end many sentences.
TITLES = """
Mr., Mrs., Ms., Mx., Dr., Prof., Sr., Sra., Srta., Sig., Dott., Dhr., Mevr., Hr., Ing., M., Mr, MR, Mrs, MRS, Ms, Mx,
Dr, Miss, Mister,
Mme, MME, Mlle, MLLE, Monsieur, Madame, Mademoiselle, Messieurs, Herr, Herrn, Frau, Señor, Señora,
Señorita, Senor, Senora, señor, señora, Signor, Signora, Signore, signor, signora, heer, Heer, Meneer, meneer, Mevrouw,
mevrouw, Senhor, Senhora, senhor, senhora, Pan, Pani, Fru
"""
GREETINGS = """
dear, hi, hello, hey, good morning, good afternoon, bonjour, bonsoir, salut, cher, chère, chere, hallo, liebe, lieber,
guten tag, hola, estimado, estimada, buenos días, buenos dias, ciao, gentile, buongiorno, beste, geachte, olá, ola,
caro, cara, hej, cześć, czesc
"""
# Before a colon or an equals sign, anywhere in a line.
LABELS = """
full name, first name, last name, family name, given name, middle name, legal name, maiden name, employee name, customer
name, client name, contact name, caller name, user's name, my name, applicant name, patient name, requester name, holder
name, manager name, surname, prénom, prenom, nom, nom complet, nom de famille, nom et prénom, nom du client, vorname,
vor- und nachname, nachname, familienname, nombre, nombre completo, nombre y apellidos, apellido, apellidos, cognome,
cognome e nome, voornaam, achternaam, sobrenome, nome completo, imię, imię i nazwisko, nazwisko, caller, requester,
requestor, reported by, requested by, submitted by, opened by, signed, demandeur, appelant, titulaire, antragsteller,
ansprechpartner, kontakt, contact person, name on card, account holder, card holder, cardholder
"""
# Before a colon or an equals sign, at the beginning of a line or an entry.
FIRST_LABELS = "name, nom, nome, contact, from, de, von, to, à, an, sender, expéditeur, expediteur"
# One word is enough after these.
SURNAME_LABELS = """
surname, last name, family name, first name, given name, maiden name, nom, nom de famille, nom de jeune fille, prénom,
prenom, vorname, nachname, familienname, apellido, apellidos, cognome, voornaam, achternaam, sobrenome, nazwisko
"""
INTRODUCTIONS = """
my name is, his name is, her name is, this is, i am, i'm, i’m, je m'appelle, je m’appelle, je suis, mein name ist, ich
heiße, ich heisse, hier ist, hier spricht, me llamo, mi nombre es, soy, le habla, mi chiamo, sono, il mio nome è, mijn
naam is, ik heet, o meu nome é, chamo-me, nazywam się
"""
# Fields of JSON, XML and the like, whose names have a hyphen, an underscore or nothing for the blank. The value of the
# first ones is a name, that of the others may be one.
NAME_FIELDS = """
first name, last name, full name, given name, family name, surname, middle name, maiden name, forename, prenom, prénom,
nom de famille, nom complet, vorname, nachname, familienname, nombre completo, apellido, apellidos, cognome, voornaam,
achternaam, sobrenome, nome completo, nazwisko
"""
FULL_NAME_FIELDS = """
name, display name, user name, customer name, client name, contact name, employee name, caller name, requester name,
owner name, card holder, card holder name, account holder, patient name, sender name, contact, requester, caller,
requested by, reported by, author, assignee, nom, nom client, nombre, nome, kunde, ansprechpartner, demandeur
"""
# Directly before a name that an address or a number follows: "please call ... on".
CONTACT_VERBS = """
call, contact, ring, reach, email, mail, write to, ask for, speak to, cc, copy, appeler, rappeler, contacter, joindre,
écrire à, anrufen, kontaktieren, an, llamar a, llame a, contactar a, contactar con, contacte con
"""
# Between a name and the number or address of that person.
CONTACT_LABELS = """
phone, telephone, tel, tél, téléphone, mobile, mobil, mob, cell, portable, port, móvil, movil, teléfono, telefono,
telefon, handy, fax, ext, poste, direct, durchwahl, office, work, email, e-mail, mail, courriel, correo, on, at, au,
sur, à, a, unter, al, is, est, ist, es, born, née, né, geboren, dob, address, adresse, iban, ssn
"""
# A single letter may stand for the given name: "name on card C LEMERCIER".
HOLDERS = """
name on card, name on the card, card holder, cardholder, account holder, titulaire du compte, titulaire, kontoinhaber
"""

# Roles, teams, things of an IT department, greetings, titles, days, months and places.
NO_NAMES = frozenset("""
abteilung access account accounting accounts accueil achats active adapter address admin administration administrator
adobe adresse afdeling agence agent all analyst and answer app apple application applications april area assistant
assistante assistenza associate at atención atentamente attached audit august autumn avenue badge bank berlin best
beste board bonjour bonus book box branch browser buchhaltung budget bug building bureau business button bâtiment
cable calendar call camera card cellule center central centre chair chat check chef chief chrome citrix city clerk
client cliente clinic cloud code comité commande community company comptabilité compte computer conference confluence
console contact contract contractor controller coordinator cordialement corporate corporation council country customer
dashboard data database day days dear december delivery demande departamento department design desk desktop developer
development device dienst digital directeur direction director directory directrice disk display division document
domain door download dr drive driver département edge edition einkauf email emea employee employees end engineer
engineering enterprise equipe equipo erreur error europe event everyone excel exchange executive exploitation explorer
export facilities facility factory facture fax february field file finance firefox firewall floor folder form
formation forum france freundliche freundlichen friday from front general germany gestion global gmail google group
groupe gruß grüsse grüssen grüße grüßen guest guide hall hardware head headset health hello help helpdesk hi hotel
hotline house hr human i iban id image imprimante inbox inc info information informatique infrastructure install
insurance intel international internet intranet invoice ios ip it january java jira join july june junior juridique
keyboard kind kunde kundendienst lab label laptop lead leader leave legal leitung lenovo level library license line
link linux list livraison llc local location logiciel logistics logo london ltd mac machine mail mailbox mailing main
maintenance management manager manual many march market marketing master medical meeting member memory menu merci
message microsoft mission mit mobile modem module monday monitor monitoring mot mouse my name national network new
news night no none north note notebook november null number objet october of office officer online open operations
operator option oracle order organization outlook owner page panel paris park partner passe password payment payroll
pc people personal personalabteilung phone plan planning platform please point policy pool port portal post poste
power president press price principal print printer pro procurement product production prof professional profile
program project projet public purchase purchasing quality qualité query question queue reception receptionist
recherche rechnung record red regards region release remote report request research reset resources responsable
response ressources restaurant review road room route router réception régional réseau safety sales salle saludo
saludos sap saturday scan scanner school screen secretary secrétariat section security senior sensor september server
serveur service services servizio sharepoint shift shop sincerely site siège skype smart société software soporte
south space specialist staff standard station status stock storage store street string student studio sunday
supervisor supplier supply support switch system systems table tablet tax team teams technical technician technicien
technicienne technique technology tel telecom telephone terminal test testing thanks the this thursday ticket time
title today token tomorrow tool tools total training transport travel treasury trial tuesday ufficio undefined unit
university update upgrade urgent us user users utilisateur vendor ventes version vertrieb verwaltung video viele view
visual voir votre vpn warm web website wednesday week west wifi wiki windows word work workday worker workshop
workspace workstation world yes you your zone zoom écran équipe étage
""".split())

# Given names, without accents, of Europe, America, Africa and Asia that are no common word, product or place: "Mark",
# "Will", "Grace", "Paris" and "Florence" are missing on purpose.
GIVEN_NAMES = frozenset("""
aaron abdul abdullah abigail adam adama adela adele adrian adriana agata agnes agnieszka ahmed aicha aidan aisha
aissatou alain alan albert alberto alejandra alejandro aleksander aleksandra alessandra alessandro alessia alex
alexander alexandra alexandre alexis alfonso alfred alfredo ali alice alicia alina alison allison amadou amanda
amandine amelia amelie amina amir amit amy ana anais anastasia andre andrea andreas andrei andres andrew andrzej
angela angelina angelique anil anita anja ann anna anne anneke annette annika anthony antje antoine anton antonia
antonio anya ariane arnaud arthur arturo ashley astrid aurelie aurore axel ayse barbara bartosz beata beatrice beatriz
benedikt benjamin benoit bernadette bernard bernd berta bianca bilal bjorn bogdan boris brandon brenda brian brigitte
bruno bryan camila camille carina carla carlo carlos carmen carol carole carolin carolina caroline carsten catalina
caterina catherine cathy cecile cecilia cedric celia celine chantal charles charlotte chiara chloe christa christelle
christian christiane christina christine christophe christopher claire clara claude claudia claudio claus clemence
clement connor constance corinne cornelia cristian cristina cynthia cyril dagmar damien daniel daniela daniele
danielle danuta dariusz david deborah delphine denis denise dennis derek diana didier diego dieter dimitri dirk dmitri
dominik dominique donald dorota dorothea douglas dylan eduardo edward edwin ekaterina elena eleonore elias elif elisa
elisabeth elise elizabeth ellen elodie elsa emanuele emil emilia emilie emily emma emmanuel emmanuelle enrique eric
erica erik erika erwan esteban esther ethan etienne eugene eva evelyn ewa fabian fabien fabio fabrice fanny fatima
fatou fatoumata federica federico felipe felix ferdinand fernanda fernando filip filippo fiona florian francesca
francesco francis francisca francisco franck francois francoise frank frederic frederik friedrich gabriel gabriela
gabriele gabriella gael gareth gary genevieve geoffrey george georges gerald gerard gerhard giacomo gianluca gilbert
gilles giorgio giovanni giulia giuseppe gonzalo gordon graham greg gregor gregory guido guillaume guillermo gunter
gunther gustavo guy hamid hamza hanna hannah hannes hans harald harry hasan hassan heather heike heinrich heinz helen
helena helene helga helmut hendrik henri henrik henry herbert herve hiroshi horst howard hubert hugh hugo hussein ian
ibrahim ignacio ines inga inge ingrid irena irene irina isaac isabel isabella isabelle ismail ivan ivana iwona jacek
jackie jacob jacqueline jacques jakob jakub james jamie jan jana jane janet janina jasmin jasmine jason javier jean
jeanette jeanne jeffrey jennifer jens jeremie jeremy jerome jessica jill jimmy joan joana joanna joao joaquin joel
joelle johan johann johanna johannes john jonas jonathan joost jordi jorge jose josef joseph josephine joshua juan
juana judith julia julian juliana julie julien juliette julio jurgen justine justyna kaito kamil karen karim karin
karina karl karolina katarina katarzyna kate katharina katherine kathleen kathrin kathryn katia katja katrin kay keith
kelly kenji kenneth kerstin kevin khadija khaled kim kimberly kirsten klaus koen konrad krystyna krzysztof kurt kyle
laetitia lara larissa lars laura laure lauren laurence laurent laurie lea leila lena leo leon leonard leonardo leonie
leticia liam lidia lilian liliana linda lindsay lionel lisa loic lorenzo louis louise luc luca lucas lucia luciana
lucie lucy ludovic luis luisa luise lukas lukasz lydia lynn maarten maciej madeleine magali magda magdalena magnus
mahmoud maja malgorzata malik mamadou manfred manon manuel manuela marc marcel marcela marcello marcin marco marcos
marcus marek margaret margarida margarita margaux margot maria mariam mariana marianne marie marijke marina mario
marion marius marjorie markus marlene marta martha martin martina martine mary massimo mateo mateusz mathias mathieu
mathilde mathis matteo matthew matthias matthieu maurice mauricio maurizio maxime maximilian mehdi mehmet melanie
melissa mercedes michael michaela michal michel michele michelle miguel mikael mike mikhail milan mireille miriam
mohamed mohammad mohammed monica monika monique morgane moritz moussa muhammad muriel murielle mustafa myriam nadia
nadine naima nancy natacha natalia natalie natasha nathalie nathan nicholas nicola nicolas nicole niels nigel nikita
nikolai nina noah noemie noor nora norbert nour odile olaf olga oliver olivia olivier omar oscar oskar otto pablo
pamela paola paolo pascal patricia patricio patrick patrizia paul paula paulina pauline paulo pavel pawel pedro peggy
per perrine peter petra philip philipp philippe phillip pierre pietro pilar piotr priya quentin rachel rachid radoslaw
rafael rafal rahul raimund rainer rajesh ralf ramon raoul raphael raquel rashid raul ravi raymond rebecca regina
reinhard remi renata renate renaud rene ricardo riccardo richard rita robert roberta roberto rodrigo roger roland rolf
romain roman ronald rosemary roxane ruben rudolf rui ruth ryan sabine sabrina said salma salvatore samantha samir
samira samuel sandra sandrine sanjay sara sarah sascha sean sebastian sebastien serena serge sergei sergio severine
sharon sheila shirley siegfried sigrid silke silvia simon simona simone siobhan sofia solene sonia sophia sophie
stanislas stefan stefania stefanie stefano steffen stephan stephane stephanie stephen stuart sunita susan susana
susanne suzanne svein sven svenja svetlana sylvain sylvia sylvie szymon takeshi tamara tania tanja tatiana teresa thea
theo theodor theresa therese thierry thomas thorsten tiago tiffany tim timothy tina tobias tomas tomasz tommaso
torsten tracy tristan udo ulf ulrich ulrike ursula ute valentin valentina valeria valerie vanessa vasile vera verena
veronica veronika veronique vicente victoria viktor vincent vincenzo vladimir volker waldemar walter wanda wendy
werner wilfried wilhelm willem wilma wojciech wolfgang xavier yan yann yannick yasmin yasmina yolanda youssef yuki
yusuf yves yvette yvonne zbigniew zineb zoe zofia zuzanna
""".split())
