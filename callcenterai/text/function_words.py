"""Words that say nothing about a ticket's subject, such as "the" and "with"; negations are none of them.

They have weights in a model, since classes are written about in different styles, but tell a reader nothing.
"""

from callcenterai.text.normal_form import normalize_text

ENGLISH = """a about after again all also am an and any are as at be because been before being but by can could did do
does doing for from get got had has have having he hello her here hers hi him his how i if in into is it its just me my
of on once or other our ours out over own please same she should since so some such than thank thanks that the their
them then there these they this those through to too under until up us very was we were what when where which while who
whom why will with would you your yours"""
FRENCH = """a à afin ai aie alors après as au aussi aux avant avec avez avoir avons bonjour c car ce cela ces cet cette
chez comme d dans de depuis des dont donc du elle elles en encore est et étais était êtes être eu fait il ils j je l la
le les leur leurs lors lui m ma mais me merci mes moi mon n nos notre nous on ont ou où par pendant peu plus pour
puis qu quand que quel quelle quels quelles qui s sa se ses si son sont sous suis sur t ta te tes ton toi toujours tous
tout toute toutes très tu un une vos votre vous y"""
GERMAN = """aber als am an auch auf aus bei bin bis bitte da damit danke dann das dass dem den der des die dies diese
diesem diesen dieser dieses doch du durch ein eine einem einen einer eines er es euch für habe haben hallo hat hatte ich
ihm ihn ihr ihre im in ist ja kann man mein meine mich mir mit nach noch nun nur ob oder schon sehr seit sein seine sich
sie sind so über um und uns unser unsere von vor war was weil wenn werden wie wir wird wo zu zum zur"""
SPANISH = """al algo ante antes aquí así aun aunque como con cual cuando de del desde donde dos el ella ellos en entre
era es esa ese eso esta está están este esto estos estoy fue gracias ha hace hasta hay he hola la las le les lo los me
mi mis muy nos nosotros o os otra otro para pero por porque puedo que quien se ser si sobre son su sus también te tengo
tiene todo tu un una uno unos y ya yo"""
FUNCTION_WORDS = frozenset(
    normalize_text(word).lower() for words in (ENGLISH, FRENCH, GERMAN, SPANISH) for word in words.split()
)
