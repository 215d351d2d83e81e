"""Given names that are common in Europe, America, Africa and Asia and are no common word, product or place.

So "Mark", "Will", "Grace", "Paris" and "Florence" are missing here on purpose.
"""

GIVEN_NAMES = frozenset(
    """
aaron abdul abdullah abigail adam adama adela adele adrian adriana agata agnes agnieszka ahmed aicha aidan aisha aissatou
alain alan albert alberto aleksander aleksandra alejandra alejandro alessandra alessandro alessia alex alexander alexandra
alexandre alexis alfonso alfred alfredo ali alice alicia alina alison allison amadou amanda amandine amelia amelie amina
amir amit amy ana anais anastasia andre andrea andreas andrei andres andrew andrzej angela angelina angelique anil anita
anja ann anna anne anneke annette annika anthony antje antoine anton antonia antonio anya ariane arnaud arthur arturo ashley
astrid aurelie aurore axel ayse barbara bartosz beata beatrice beatriz benedikt benjamin benoit bernadette bernard bernd
berta bianca bilal bjorn bogdan boris brandon brenda brian brigitte bruno bryan camila camille carina carla carlo carlos
carmen carol carole carolin carolina caroline carsten catalina caterina catherine cathy cecile cecilia cedric celia celine
chantal charles charlotte chiara chloe christa christelle christian christiane christina christine christophe christopher
claire clara claude claudia claudio claus clemence clement connor constance corinne cornelia cristian cristina cynthia cyril
dagmar damien daniel daniela daniele danielle danuta dariusz david deborah delphine denis denise dennis derek diana didier
diego dieter dimitri dirk dmitri dominik dominique donald dorota dorothea douglas dylan eduardo edward edwin ekaterina elena
eleonore elias elif elisa elisabeth elise elizabeth ellen elodie elsa emanuele emil emilia emilie emily emma emmanuel
emmanuelle enrique eric erica erik erika erwan esteban esther ethan etienne eugene eva evelyn ewa fabian fabien fabio
fabrice fanny fatima fatou fatoumata federica federico felipe felix ferdinand fernanda fernando filip filippo fiona
florian francesca francesco francis francisca francisco franck francois francoise frank frederic frederik friedrich
gabriel gabriela gabriele gabriella gael gareth gary genevieve geoffrey george georges gerald gerard gerhard giacomo
gianluca gilbert gilles giorgio giovanni giulia giuseppe gonzalo gordon graham greg gregor gregory guido guillaume
guillermo gunter gunther gustavo guy hamid hamza hannah hanna hannes hans harald harry hasan hassan heather heike heinrich
heinz helen helena helene helga helmut hendrik henri henrik henry herbert herve hiroshi horst howard hubert hugh hugo
hussein ian ibrahim ignacio ines inga inge ingrid irena irene irina isaac isabel isabella isabelle ismail ivan ivana
iwona jacek jackie jacob jacqueline jacques jakob jakub james jamie jan jana jane janet janina jasmin jasmine jason javier
jean jeanette jeanne jeffrey jennifer jens jeremie jeremy jerome jessica jesus jill jimmy joan joana joanna joao joaquin
joel joelle johan johann johanna johannes john jonas jonathan joost jordi jorge jose josef joseph josephine joshua juan
juana judith julia julian juliana julie julien juliette julio jurgen justine justyna kaito kamil karen karim karin karina
karl karolina katarina katarzyna kate katharina katherine kathleen kathrin kathryn katia katja katrin kay keith kelly
kenji kenneth kerstin kevin khadija khaled kim kimberly kirsten klaus koen konrad krystyna krzysztof kurt kyle laetitia
lara larissa lars laura laure laurence laurent lauren laurie lea leila lena leo leon leonard leonardo leonie leticia
liam lidia lilian liliana linda lindsay lionel lisa loic lorenzo louis louise luc luca lucas lucia luciana lucie lucy
ludovic luis luisa luise lukas lukasz lydia lynn maarten maciej madeleine magali magda magdalena magnus mahmoud maja
malgorzata malik mamadou manfred manon manuel manuela marc marcel marcela marcello marcin marco marcos marcus marek margaret
margarida margarita margaux margot maria mariam marianne mariana marie marijke marina mario marion marius marjorie markus
marlene marta martha martin martina martine mary massimo mateo mateusz mathias mathieu mathilde mathis matteo matthew
matthias matthieu maurice mauricio maurizio maxime maximilian mehdi mehmet melanie melissa mercedes michael michaela
michal michel michele michelle miguel mikael mike mikhail milan mireille miriam moahmed mohamed mohammad mohammed monica
monika monique morgane moritz moussa muhammad muriel murielle mustafa myriam nadia nadine naima nancy natacha natalia
natalie natasha nathalie nathan nicholas nicola nicolas nicole niels nigel nikita nikolai nina noah noemie noor nora
norbert nour odile olaf olga oliver olivia olivier omar oscar oskar otto pablo pamela paola paolo pascal patricia patricio
patrick patrizia paul paula paulina pauline paulo pavel pawel pedro peggy per perrine peter petra philip philipp philippe
phillip pierre pietro pilar piotr priya quentin rachel rachid radoslaw rafael rafal rahul raimund rainer rajesh ralf
ramon raoul raphael raquel rashid raul ravi raymond rebecca regina reinhard remi renate renata renaud rene ricardo
riccardo richard rita robert roberta roberto rodrigo roger roland rolf romain roman ronald rosemary roxane ruben rudolf
rui ruth ryan sabine sabrina said salma salvatore samantha samir samira samuel sandra sandrine sanjay sara sarah sascha
sean sebastian sebastien serena serge sergei sergio severine sharon sheila shirley siegfried sigrid silke silvia simon
simona simone siobhan sofia solene sonia sophia sophie stanislas stefan stefania stefanie stefano steffen stephan
stephane stephanie stephen stuart sunita susan susana susanne suzanne svein sven svenja svetlana sylvain sylvie
sylvia szymon takeshi tamara tania tanja tatiana teresa thea theo theodor theresa therese thierry thomas thorsten tiago
tiffany tim timothy tina tobias tomas tomasz tommaso torsten tracy tristan udo ulf ulrich ulrike ursula ute valentin valentina
valeria valerie vanessa vasile vera verena veronica veronika veronique vicente victoria vincent vincenzo viktor
virginie vladimir volker walter wanda waldemar wendy werner wilfried wilhelm willem wilma wojciech wolfgang xavier yan yann
yannick yasmin yasmina yolanda youssef yuki yusuf yves yvette yvonne zbigniew zineb zoe zofia zuzanna
""".split()
)
