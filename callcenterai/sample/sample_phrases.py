"""The phrase bank of make_sample_tickets.py: every invented sentence that a sample ticket is put together from.

Each entry of a bank is a list of phrases, one a line. Inside a phrase:

    [one|two|]      pick one of these (the last one is empty); brackets may be nested
    {name}          put a phrase of the entry `name` here
    #               put a digit here
    ¶               start a new line here

`Access` holds what a ticket of that category asks for, `Access detail` a second sentence that goes with it and
`Access short` tickets of a few words. `Access + Hardware` holds tickets that a human could file under either. The
other entries serve all categories. Numbers, addresses and domains come from the ranges kept free for examples
(555-01xx, 020 7946 0xxx, 01 99 00 xx xx, 06 39 98 xx xx, example.com), people and products are made up.
"""

COMMON = {
    "first": """
[Amina|Jonas|Priya|Mateo|Chloé|Kenji|Fatou|Lukas|Ingrid|Oluwaseun|Mei|Rafael|Zofia|Yusuf]
[Margaux|Tomasz|Leïla|Connor|Nadia|Sven|Thu|Andrei|Camille|Ravi|Elif|Marek|Siobhan|Thierry]
[Beatriz|Dmitri|Aïcha|Gareth|Noor|Paolo|Solène|Hamid|Katarzyna|Desmond|Yuki|Marguerite]
""",
    "last": """
[Vandermeer|Adeyemi|Kowalczyk|Nakahara|Fontanel|Bergqvist|Sharma|Ortuño|Delcourt|O'Hanlon|Benhaddou|Petrovic]
[Tran|Rosati|Achterberg|Koulibaly|Moreau-Petit|Haddad|Whitcombe|Szabo|Ferreira|Kaplan|Nwosu|Ibáñez]
[Lemercier|Halvorsen|Dubrovin|Cissokho|Pemberton|Yamauchi|Grandjean|Vasile|Marchetti|Oyelaran|Thibodeau|Karlsen]
""",
    "name": "{first} {last}",
    "mail": """
[anna.kowal|t.okafor|m.rosati|jp.delcourt|s.lindgren|nour.h|k.yamada|e.fontanel|paula.v]@example.[com|org|net]
[finance|payroll|reception|purchasing|facilities|projects|helpdesk|accounts]@example.[com|org|net]
""",
    "ref": "[INC00#####|INC00#####|REQ-#####|REQ00####|CHG-4####|SR#####]",
    "asset": "[[LT|PC|WS]-[PAR|LYO|LDS|POR|GEN|NAN]-####|[LT|NB]0####|[2|3|4]#-####]",
    "host": """
[srv-[lyo|par|lds|por]-0##|[app|db|build|file|test]##.example.[net|org]]
[[nas|vm|node]-[blue|amber|north|delta]-0#]
""",
    "app": "[PayDesk|TimeBoard|Nextrack|Cartolis|Sillage|Vigie|Galion|Boussole|SharePoint|SAP|the CRM|Jira]",
    "project": """
[Heron|Millstone|Bluebell|Quayside|Tamarin|Nimbus 2|Lighthouse]
[Balise|Cormoran|Marble|Sextant|Verger|Polaris|Redwood]
""",
    "site": "[Lyon|Nantes|Leeds|Porto|Geneva|Lille|Bristol|Turin|Rennes|Cork]",
    "vendor": """
[Northmoor Supplies|Brandel & Fils|Kestrel Office|Dupraz Informatique]
[Tillford Ltd|Lumière Bureau|Pontier SARL|Halden Systems]
""",
    "few": "[2|3|4|5|6|7|8]",
    "code": "[PRJ-####|[CC|K]-##0#|[4|5]#####|WBS ##.##]",
    "amount": "[[1|2|3|4|6|8]##|[1|2|3] [1|2|4|7|9]##|[1|2|4|7]#,90]",
}

ENGLISH = COMMON | {
    "since": """
[this morning|yesterday|{weekday}|last week|the last update|the office move]
[I came back from leave|I changed my password|the weekend|about {hour}|the {day} of {month}|lunch]
""",
    "weekday": "[Monday|Tuesday|Wednesday|Thursday|Friday]",
    "month": "[January|February|March|April|May|June|September|October|November|December]",
    "day": "[1st|3rd|5th|9th|12th|17th|22nd|28th]",
    "date": """
[3|7|11|14|18|23|27] {month}
{month} [2|8|12|16|21|29]
{weekday} the {day}
[04|07|13|19|26]/0[2|3|5|6|9]
""",
    "hour": "[[8|9|10|11] am|[1|2|3|4|5] pm|[9|10|14|15|16]:[15|30|45]|noon]",
    "team": """
[finance|sales|marketing|logistics|legal|payroll|quality]
[customer care|research|facilities|treasury|communication|engineering]
""",
    "laptop": "[laptop|notebook|computer|PC|work laptop|machine|workstation]",
    "phone": """
+1 [202|312|415|617]-555-01##
020 7946 0###
+44 20 7946 0###
ext. 555-01##
""",
    "abbreviations": """
could you > can u
please > pls
password > pwd
tomorrow > tmrw
because > bc
thanks > thx
you > u
meeting > mtg
minutes > min
department > dept
without > w/o
""",
    "greeting": """
[Hi,|Hi,|Hello,|Hello,|Hi team,|Hello team,|Good morning,]
[Good afternoon,|Dear support,|Dear service desk,|Hi all,|Hi there,|Hey,|Dear colleagues,]
[Hello {first},|Hi {first},|Good day,|Morning!|To whom it may concern,|Hello again,]
""",
    "noise": """
I hope you are [well|doing well|having a good week].
I am [working from home|at the {site} office|on a customer site|travelling] [today|until {weekday}|this week].
I just came back from [two weeks of holiday|sick leave|parental leave|a business trip] and found this in my inbox.
I [joined|started in] the {team} team [last week|on {date}|two months ago][, my manager is {name}|].
As [discussed|agreed] [yesterday|on the phone|with {first}|in the project meeting], here is my ticket.
My colleague {first} [told me to open a ticket|said this is the right place to ask|says you are very quick].
We are in the middle of [the month-end closing|an audit|the yearly inventory|the release of project {project}].
I called the hotline [twice|this morning|on {weekday}] and was asked to [write to you|open a ticket] instead.
This is a follow-up to {ref}, which was closed [too early|without an answer|by mistake].
I am writing on behalf of {name}, who is [on leave|without a computer|travelling] [this week|until {weekday}].
Sorry [to bother you again|if this is the wrong queue|for the long message|, I am not very technical].
We moved from {site} to {site} in {month} and not everything followed.
I already sent [a copy of the invoice|a screenshot|the form] to {mail} [last week|on {date}] but nobody answered.
Our team has a new [manager|project lead|assistant], {name}.
I read the [guide|page|FAQ] on the intranet but [it did not help|my case is not there|the link is dead].
I am [an external consultant|a contractor|a trainee|a temp] working with the {team} team.
I share [an office|a desk|a project] with {first} from {team}.
It is my [second|third|fourth] ticket about this, the last one was {ref}.
I wanted to write before the meeting with {vendor} on {weekday}, but here it is.
""",
    "trouble": """
I tried again [this morning|at {hour}|from home|with {first}] [and nothing changed|with the same result].
It [worked|was fine] [until {weekday}|last month|before the holidays].
My [laptop|account|phone|badge] was [replaced|renewed|changed] last [week|month], maybe that is related.
I am losing [an hour|half an hour|a lot of time] every day because of this.
About [1#|2#|40] people are [affected|concerned].
[This|It] is blocking [the whole team|three of us|our project|the {team} team|two new colleagues].
I have no idea [what happened|why|whether somebody changed something][, I only opened {app}|].
The [project|finance|purchasing|HR] colleagues [on my floor|in {site}] [do not have this|see the same].
""",
    "asked": """
I asked {first}, who [did not know either|has the same issue|suggested to write to you].
I could not find [a form|anything|an answer] for it on the [portal|intranet].
I checked with [my manager|the {team} team|{name}] and [it should be fine|nobody knows|they sent me to you].
A screenshot is attached.
See [the attachment|the mail below|my previous ticket {ref}].
{first} [had a similar case|opened a ticket for it] [in {month}|last year|last week] ({ref}).
""",
    "impact": """
I cannot [finish|work on] [the quarterly report|the month-end closing|my timesheet|the customer offer] before that.
The [steering committee|customer meeting|audit|demo|training] is [on {weekday}|tomorrow|at {hour}].
[The purchase order|The invoice|The payroll file|The contract|The backup report] has to go out [tonight|by {date}].
Not urgent, [it can wait until {date}|whenever you have a minute|but please do not forget it].
It is [quite|very|rather|getting] urgent.
My manager [{first} |]is [asking every day|waiting for it|not amused].
I have a [customer meeting|project review|job interview|supplier call|budget round] at {hour}.
I am on leave from {date}, so [please|ideally] before that.
[Deadline|Due date] is {date}.
We have [new starters|visitors|a customer|the auditors] coming on {date}.
I have to [travel|fly|drive] to {site} [tomorrow|on {weekday}].
""",
    "request": """
Could you [please |][have a look|help|take care of it|look into this]?
Can [someone|anybody|one of you] [call me back|contact me|ring me] on {phone}?
Please [let me know|tell me] [what you need from me|when it is done|how to proceed|if something is missing].
What should I do?
Who can help me with this?
You can reach me on {phone}[ after {hour}| any time|].
Please advise.
Would it be possible [today|by {weekday}|this week]?
Thanks for [looking into it|your help|the quick help].
Many thanks in advance for your [help|support|quick answer].
Can you [treat|handle] this [as a priority|with high priority|before {weekday}]?
Please copy {mail} in your answer.
When can I expect [an answer|a solution|news]?
If it is not you, please forward it to the right team.
""",
    "aside": """
PS: {Hardware short}, but I will open another ticket for that.
By the way, for {first} the topic was "{Access short}" and you fixed it in a day ({ref}).
(Nothing to do with my other ticket "{Storage short}".)
PS: I still have an open ticket "{HR Support short}", please do not mix them up.
This came up while I was waiting for "{Purchase short}" ({ref}).
Unrelated: "{Miscellaneous short}" can be closed, thanks.
PS: {first} will write to you separately about "{Internal Project short}".
Last time you closed mine as a duplicate of "{Administrative rights short}", it is not the same thing.
""",
    "closing": """
[Thanks,|Thank you,|Best regards,|Kind regards,|Cheers,|Many thanks,|BR,]
[Regards,|Have a nice day,|Thx|Best,|Thank you and have a good weekend,|With kind regards,]
""",
    "signature": """
{first}
{first}
{name}
{name}
{name}¶{team} department
{name} - {team} - {phone}
{name}¶{site} office, floor {few}
{name}¶{mail}¶Phone {phone}
{first} ({team})
{name} | Tel. {phone}
""",
    "reference": """
Ref. {ref}
Ticket: {ref}
Related to {ref}.
(see {ref})
Previous ticket {ref}.
My asset: {asset}
Cost centre {code}
""",
    "quote": """
¶----- Original message -----¶From: {name} <{mail}>¶> Your request {ref} has been [registered|closed].
¶On {date}, {name} wrote:¶> [Please open a ticket for this.|Not my area, sorry.|Can you take care of it?]
¶> From: {mail}¶> [We have received your message and will get back to you.|I am out of the office until {date}.]
¶{name} wrote on {weekday}:¶> This is not handled by {team}, [contact the service desk|ask IT or HR].
""",
    "chaser": """
Any news on this?
Second reminder.
Sending this again, no answer so far.
FYI still open.
Re-opening {ref}:
""",
    "suffix": "[!!| - urgent| pls help| ({site})|?|...| - {first}| since {since}| {ref}| thx]",
    "Access": """
My {account} [is|got|has been] locked [again|after three attempts|since {since}] and I [cannot log in|am stuck].
I [forgot|lost|no longer remember] my [password|PIN|passphrase] for {app} and the reset [link has expired|fails].
I cannot [log in|sign in|connect] to {app} since {since}: [invalid credentials|account disabled|login loop|error ####].
The VPN [refuses my password|drops every ten minutes|does not connect|says "authentication failed"] since {since}.
Please [give|grant] {name} [read|write|read and write] access to [the {team} folder|the {team} mailbox|{app}].
{name} [needs|would need|must have] access to {app} [for the closing|as of {date}|to replace {first}].
My [authenticator|token|security key|second factor] [stopped working|is gone] since I [changed|lost] my phone.
My badge [does not open|no longer opens|is refused at] the [main door|{team} floor|server room|car park barrier].
Please [revoke|disable|remove] all access of {name}, who [left|leaves|is leaving] [the company|us] on {date}.
We need a guest account for {name}, [a consultant|an auditor|a partner] who stays until {date}.
I moved from {team} to {team} and still cannot see [my new|the] [menus|reports|customers] in {app}.
Please add me to the [security|AD|Teams] group [{team}-users|grp-{team}|{team}-all], same rights as {first}.
Single sign-on [sends me back to the login page|loops|fails] when I open {app} [in Chrome|in Edge|from home].
I get "access denied" when I open the [dashboard|report|site|page] of [{team}|project {project}].
My account expires on {date} although my contract was extended, please prolong the login.
Can I have the same profile in {app} as {name}? I am [stepping in|helping out] until {date}.
The password of the service account svc-{project} expires on {date}, how do we [reset|renew] it?
[{name}|My assistant] must be able to [open|read] my [mailbox|calendar] while I am [away|on leave].
After the password change, [Wi-Fi|Outlook|the VPN|my phone] keeps asking for [the old|my] credentials.
Remote desktop to {host} answers that my user is not authorised.
The one-time code [never arrives|arrives too late|is rejected] when I log in to {app}.
My user name is still [my maiden name|misspelt], so {app} does not recognise my login.
I am [new|back] and have no login yet for {app}, only for the mail.
Somebody reset my password and now I am locked out of [everything|{app}|Windows].
Please unlock the user [{last}|{first}.{last}] in {app}, too many wrong passwords.
The external [auditors|partners] cannot open the link to our shared folder, they are asked for a login.
I can see the {team} folder but not [open|edit] it, permission [missing|denied].
""",
    "account": "[account|user|Windows account|login|{app} account|session|mailbox account]",
    "Access detail": """
My login is [{first}.{last}|u0####|x1####].
The reset mail [goes to my old phone|never arrives|contains a dead link].
My manager {name} [approves|has approved|agrees with] the access.
{first} has the same role and [it works there|can log in without trouble].
I changed the password [as requested|on {weekday}|in the self-service] and it was accepted.
The approval of the [data owner|folder owner|application owner] is attached.
Read-only rights are [enough|fine].
On the [mobile|web] version the login works.
The error says "[user not found|you do not have permission|account locked out|session expired]".
I used the self-service page [but it does not know me|without success].
The access was removed [during the review|by mistake] [in {month}|on {date}].
Access is needed from {date} to {date}.
""",
    "Access short": """
vpn [down|dead|not working|kicks me out] [again|]
[password|pwd] [reset|expired|forgotten] {app}
account locked [again|{app}]
can't log in to {app}
no access to [{app}|the {team} folder|{team} mailbox]
[need|pls give] access to {app} for {name}
badge [not working|refused] [{site}|floor {few}]
MFA [reset|code not received|new phone]
access rights {name} {app}
login [error ####|loop|impossible] {app}
unlock [my user|{first}.{last}]
new user account {name}
remove access {name}, left {date}
permission denied [project {project}|{team} folder|{app}]
""",
    "Administrative rights": """
I need [local admin|administrator|admin] rights on my {laptop} to [install|update|configure] {tool}.
Installing {tool} [asks for|requires] an administrator password [that I do not have.|, can you type it in remotely?]
Please [add me|add {name}] to the local Administrators group [on {asset}|of {host}].
I need [sudo|root] on {host} to [restart the service|read the logs|install packages|edit the config].
My temporary admin rights [expired|ended] on {date}, please [renew|extend] them until {date}.
Every time I start {tool}, a user account control window asks for admin credentials.
Please [remove|withdraw] the admin rights of {name} on [{asset}|{host}], not needed any more.
I cannot [change the hosts file|edit the registry|open a firewall port|restart a service] without elevated rights.
Could I get [elevation|elevated privileges|a privileged account] for [two hours|one day|the project {project}]?
The [printer|scanner|camera] driver cannot be installed without administrator privileges.
[Docker|WSL|the virtual machine] must be enabled on my {laptop} and that [needs|requires] admin rights.
I would like to become [site administrator|tenant admin|admin of the console] for {app}, replacing {first}.
Which form do I need to request a privileged account, and who approves [admin|administrator] rights in {team}?
PowerShell refuses to run my script: execution policy, "run as administrator" is greyed out.
The [developers|testers] of {project} need admin rights on their machines to [debug|install plug-ins].
The update of {tool} has to be run as administrator on [{asset}|{n} machines of the {team} team].
Please grant [dba|db_owner|sysadmin] privileges on the database at {host} to {name} for the migration.
I was local admin on my old laptop, on the new one [I am a standard user|the right is missing].
The privileged access tool rejects my request for elevation [with error ####|since {since}].
I cannot add a [plug-in|font|certificate|language pack] to {tool} because I am not administrator.
""",
    "tool": """
[Python|the label printing tool|Visual Studio Code|the CAD viewer|the VPN client]
[a PDF editor|the scanner software|Node|the tax declaration software|Wireshark]
[the {vendor} toolbox|Git|the accounting add-in|a statistics package]
""",
    "n": "[3|4|5|6|8|12|15]",
    "Administrative rights detail": """
The software is [free|on the approved list|already licensed].
My manager [agrees|has signed the form|approved the elevation].
I only need it for [an hour|one afternoon|the installation], afterwards you can take the right away.
The software centre does not offer it.
I know the rules about admin accounts and signed the charter [last year|on {date}].
Without elevation the [setup|installer|update] stops at [1|2|3|5|7|8]#%.
The error is "[the requested operation requires elevation|you must be an administrator|error 5, access denied]".
A remote session where you type the admin password would do.
On the old machine I was local administrator.
The [security team|IT officer] already gave [the green light|approval] ({ref}).
""",
    "Administrative rights short": """
admin rights [{asset}|for {tool}|needed]
local admin [please|request|expired]
need [admin|administrator] password to install {tool}
[sudo|root] on {host}
install {tool} - no admin
renew admin rights {name}
elevation [refused|request] {tool}
UAC prompt {tool}
remove admin {name} {asset}
run as admin [blocked|not allowed]
privileged account [project {project}|{name}]
""",
    "HR Support": """
My payslip for {month} [is missing|shows the wrong amount|is not in the portal|has the old address on it].
I would like to [take|request|move] [{few} days|a week|two weeks] of leave in {month} but my balance [is wrong|shows 0].
How many [days of holiday|days off|hours of overtime] do I have left [this year|at the end of {month}]?
I need an [employment certificate|proof of employment|income statement] for [my bank|a rental|the embassy].
My overtime of {month} [was not paid|is missing on the payslip|was counted twice].
I am [expecting a baby|becoming a mother|becoming a father] in {month}, how do I apply for parental leave?
{name} starts on {date} in {team}: please prepare the [contract|onboarding|welcome day|induction plan].
I have moved, my new address must be changed in [the personnel file|{app}|the HR system].
I got [married|divorced] and need to change my [name|tax class|family status] in the [HR|payroll] records.
My [sick note|medical certificate] from {date} is [attached|not shown in {app}|still refused].
I want to [register|enrol] for the [first aid|English|leadership|Excel|safety] training [in {month}|on {date}].
My manager in the HR system is still {name}, since the reorganisation it should be {name}.
When [do|will] the [annual reviews|yearly interviews|salary talks|bonus payments] [start|take place] this year?
I want to [reduce|change] my working time to [80%|60%|four days] from {date}, what is the procedure?
My bank details have changed, please use the new account for the salary from {month} on.
The job [advert|posting] for the {team} position [has an error|should run longer|is not visible] on the careers page.
{first} resigned, [what|which steps] must I do as a manager, and when is the last working day?
My [travel expenses|mileage claims] from {month} [were refused|are still not reimbursed].
Is [a doctor's visit|moving house|a wedding] counted as special leave?
[The meal vouchers|The transport allowance|The health insurance card] for {month} did not arrive.
My fixed-term contract ends on {date}, will it be [extended|renewed|made permanent]?
My working hours in {app} are wrong: [the public holiday|home office|{weekday}] is counted as absence.
A candidate for the {team} job is waiting for [an answer|his contract|the interview date], who follows this?
The intern {name} has no [internship agreement|contract|evaluation form] yet, university is asking.
How does [remote work|part-time|the pension plan|the share plan] [work|change] for employees living near {site}?
I cannot approve the [leave|absence|timesheet] of {name} in {app}, the request is not in my list.
Who is the HR [contact|partner] for {site}? I have a [confidential|personal] question about my [contract|salary].
""",
    "HR Support detail": """
My employee number is #####.
The HR portal only shows last year's documents.
My contract says something else.
{first} from payroll [asked me to write here|is on leave].
I need the document [signed|stamped|in French|in English].
My manager has [approved|signed] the request.
According to the collective agreement [I am entitled to it|this should be paid].
My last working day is {date}.
I handed in the form at reception on {date}.
It also concerns my [children|wife|husband|pension].
I submitted [it|the request] in {app} on {date} and it is still pending.
It should be settled before the {month} payroll.
""",
    "HR Support short": """
payslip {month} [missing|wrong|not received]
leave balance [wrong|question]
[vacation|holiday] request {date}
[employment|salary] certificate [please|for bank]
parental leave [question|form]
sick note {name}
new starter {name} {date} [contract|onboarding]
bonus payment [when|{month}]
change of address [HR|payroll]
training registration [Excel|English|first aid]
overtime {month} not paid
expense report [refused|{month}]
wrong manager in HR system
last working day {name}
""",
    "Hardware": """
My {laptop} [does not start|won't turn on|stays black|shuts down by itself] [since {since}|when I unplug it|].
The [screen|display] of my {laptop} [flickers|has a crack|shows green lines|goes dark] since {since}.
The battery [lasts only {few} minutes|is swollen|no longer charges|drops from [1|2|3|5|7|8]#% to 0] on my {laptop}.
My docking station [no longer detects|does not recognise|keeps losing] [the second monitor|the mouse|the network].
The printer [on floor {few}|near {team}|in room 1##] [jams|prints blank pages|shows error ##|is offline] since {since}.
The printer in {site} is out of [toner|paper, the tray is broken too|magenta] and the spare cartridge does not fit.
Several keys of my keyboard [are stuck|do not respond|type twice][, the space bar above all|, coffee was involved|].
My mouse [double-clicks by itself|lost its receiver|has no power|jumps around].
My headset [has no sound|only works on one side|crackles|is not detected] in [calls|Teams|meetings].
The [projector|big screen|camera|conference phone] in meeting room {room} [has no signal|is dead|stays blue].
The fan of my {laptop} is very loud and the case gets [hot|too hot to touch], even when [idle|I only read mail].
I dropped my {laptop} [on the stairs|at the airport|yesterday] and the [hinge|corner|screen|casing] is broken.
My company phone [does not charge|has a broken screen|fell into water|switches itself off].
The charger of my {laptop} [is broken|smells burnt|was stolen|has a loose contact].
The webcam [shows a black picture|is not recognised|is blurred], the light [stays off|blinks].
The scanner [pulls in several pages|draws a black line on each page|is not found] [at reception|on floor {few}].
The USB ports on [the left side|the dock|the front] of my {laptop} [are dead|do not detect anything].
Blue screen [twice a day|every time I dock|since {since}] on {asset}, stop code [mentions memory|0x00##].
My second monitor [stays black|is not detected|shows "no signal"] [after standby|on HDMI|since {since}].
The network socket [at my desk|in room 1##] is dead, [the cable|the dock] works on another desk.
My {laptop} is [extremely slow|freezing|hanging] [since {since}|when two programs are open], it is {few} years old.
The barcode [scanner|printer] in the warehouse at {site} [does not beep|reads nothing|lost its pairing].
The badge reader [device |]at gate # hangs, the display shows [error ##|nothing].
[The tablet|The handheld] of the {team} team [does not switch on|has a cracked glass|loses Bluetooth].
The Wi-Fi card of my {laptop} disappears, [only a restart brings it back|the LED is off].
The touchpad [does not react|moves on its own|only clicks on the left] on {asset}.
My desk phone [rings but has no sound|shows "no line"|has a broken handset].
[The speakers|The microphone] of my {laptop} [crackle|hum|went silent] since {since}.
A strange [noise|smell|clicking] comes from [the tower|the {laptop}|the server cabinet] in room 1##.
The replacement {laptop} [arrived|came] with [a broken key|a dead pixel|the wrong keyboard layout|no power supply].
My {laptop} should be [collected|swapped|repaired], the warranty ends on {date}.
""",
    "room": "[Everest|2.14|Baltic|1.07|Tulip|Volta|3.31|Curie]",
    "Hardware detail": """
The asset tag is {asset}.
I [tried|tested] another [one|cable|socket], same result.
I [restarted|rebooted] [twice|three times|it] and [updated|reinstalled] the driver.
With [the old one|the one from {first}] it works.
The LED [blinks orange|stays off|is red].
It is still under warranty until {date}.
Is there a [spare|loan] [device|laptop|one] I could use in the meantime?
The device is {few} years old.
It [starts|fails|happens] [when warm|after standby|at random|in the morning].
I can bring it to the [IT counter|workshop] [at {hour}|on {weekday}].
Serial number ends with ###.
The technician already changed the [cable|battery|fan] in {month}.
On my colleague's desk the same device works.
""",
    "Hardware short": """
{laptop} [dead|won't boot|too hot|very slow|frozen] [again|]
printer [jam|offline|error ##|out of toner] [floor {few}|room {room}]
[second|external] [monitor|screen] [black|flickers|no signal]
[keyboard|mouse|headset|webcam] [broken|not detected|dead]
dock [not recognised|dead|loses screens]
battery [empty after {few} min|swollen]
charger [broken|lost]
cracked screen {asset}
blue screen [again|{asset}]
phone [screen broken|not charging]
projector [room {room}|no signal]
no sound [headset|{laptop}]
scanner [black lines|offline] [{site}|floor {few}]
fan noise {asset}
""",
    "Internal Project": """
Please [create|open] [a new|the] project [{project}|code for {project}] in {app}, project lead is {name}.
The project {project} [moves|goes|passes] to phase {few}: please update [the plan|the milestones|the status] in {app}.
We need [a test environment|a project site|a Jira board|a workspace] for project {project} [by {date}|from {date}].
I would like to [book|log] hours on {code} but the [project code is closed|task is missing|phase has ended].
Please add {name} to the [project team|core team|staffing list] of {project} [at [1|2|3|5|7|8]#%|until {date}].
The [go-live|rollout|pilot] of {project} is [moved|postponed] to {date}, [inform|please tell] all [testers|key users].
The steering committee of {project} asked for [a new budget forecast|a risk list|the cost per phase].
Can you reserve [a developer|a tester|an architect|a business analyst] for {project} [in {month}|for {few} days]?
Acceptance tests for {project}: [test case [1|2|3]# fails|the test data are missing|the testers see an empty list].
The [sprint review|kick-off|retrospective] of {project} needs [a date|a facilitator|an agenda], can the PMO help?
Please [close|archive|put on hold] project {project}, [all deliverables are accepted|the sponsor has left].
The requirements of {project} changed: the [interface|report|form] must also [cover {site}|show the cost centre].
Change request for {project}: [new field|additional export|extra language] in the [planning|order] module.
Who is the [sponsor|project manager|product owner] of {project} since {name} left?
The [Gantt chart|backlog|roadmap] of {project} in {app} [shows old dates|lost its dependencies|is empty].
We have an idea for an internal project: [digital forms in {team}|a chatbot for {team}|paperless {site}].
The migration of {site} within {project} needs a cut-over plan and [a weekend slot|two resources].
The budget of project {project} is [1|2|3|5|7|8]#% used, please [transfer|release] the next tranche on {code}.
Please give a feasibility estimate for {project}, [workload|effort] in days for [{team}|IT].
The user stories of sprint [1|2]# for {project} are not [estimated|assigned|linked to the epic].
""",
    "Internal Project detail": """
The sponsor is {name}.
The project charter is attached.
The next milestone is on {date}.
The PMO has [approved|registered] it under {code}.
The kick-off is planned for {date}.
The workload is about [1|2|4]# days.
The deliverable is [late|due at the end of the sprint].
The key users in {site} are informed.
Scope and budget [stay the same|were agreed in the steering committee].
The project plan says phase {few} ends on {date}.
Dependencies with {project} must be checked.
""",
    "Internal Project short": """
new project code {project}
project {project} [go-live moved|on hold|status update|kick-off]
{project} [test environment|backlog|roadmap] [missing|?|please]
add {name} to project {project}
timesheet code {code} closed
sprint [1|2]# {project} planning
change request {project}
close project {project}
UAT {project} test ## failed
[resource|staffing] {project} {month}
milestone {date} {project}
""",
    "Miscellaneous": """
The [heating|air conditioning|light] [in room {room}|on floor {few}|at my desk] [does not work|is far too strong].
I received a strange mail [from {name}|about a parcel|with a fake invoice], is it [phishing|spam|a test of yours]?
How do I [set up|change|switch off] [my signature|an out-of-office reply|the notifications] in Outlook?
Meeting room {room} is [double-booked|blocked all week|not shown in the calendar] on {date}.
Is the [canteen|gym|library|bike cellar] open [on {date}|between the holidays|in the evening]?
I left my [umbrella|jacket|water bottle|notebook with blue cover] in [the shuttle|room {room}|the canteen], any luck?
The [coffee machine|dishwasher|vending machine|water fountain] on floor {few} [leaks|is empty|eats coins].
The intranet page of {team} shows [an old phone list|a broken link|last year's calendar].
Please [announce|publish] our [charity run|summer party|open day] [on the intranet|in the newsletter].
The mails I send to [{vendor}|{mail}] come back [as undeliverable|with an error ###].
Where can I park [a visitor's car|a rental van|my bike] on {date}?
Excel [crashes|closes without a word|shows ####] when I open [a big file|a pivot table|the file from {first}].
The meeting invitation for {date} shows [the wrong time zone|no link|the wrong room].
How does one [convert a PDF|merge two calendars|make a poll|print in colour]? The help page is no help.
The [lift|automatic door|blind|toilet] [at the main entrance|on floor {few}] is [out of order|stuck] again.
Teams [crashes|shows everyone as away|does not start] since the last update.
Can a [parcel|letter|pallet] for [{vendor}|{name}] be sent [today|by courier|abroad]? Where do I hand it in?
We expect [1#|20|30] visitors on {date}: please [prepare badges at reception|reserve lunch|tell security].
The translation in the [menu|footer|welcome mail] of {app} is wrong: it should read "[Save|Cancel|Due date]".
Could you [clean|tidy] [the window|the kitchen|the carpet] in room {room}? [Birthday cake|Coffee], do not ask.
I have a suggestion: [a second water point|meatless {weekday}s|quiet hours] in {site}.
The distribution list [all-{team}|news-{site}] [contains people who left|sends everything twice].
The browser [shows a certificate warning|opens the wrong start page|blocks pop-ups] on [the intranet|{app}].
Thank you for [the quick help with {ref}|last week], ticket can be closed. And [praise|kudos] to {first}!
Which [hotline|team|number] is responsible for questions about [the fire drill|lost keys|company cars]?
The clock in {app} is one hour [late|ahead] since the time change.
Please subscribe me to the [newsletter|weekly menu|press review], and unsubscribe {first}.
""",
    "Miscellaneous detail": """
It is not a big thing.
Several colleagues on the floor noticed it.
Facilities said they are not responsible.
The notice board says nothing about it.
I am just curious.
I found nothing about it in the newsletter.
It came up [in {month}|last winter] already.
Maybe other people wonder as well.
The receptionist sent me to you.
I only need a short answer.
""",
    "Miscellaneous short": """
[heating|AC|light] broken room {room}
suspicious mail from {mail}
phishing? [see attachment|parcel mail]
coffee machine floor {few} [leaks|empty]
room {room} double booked {date}
lost [umbrella|scarf|keys] [{site}|canteen]
outlook signature [how|wrong logo]
visitor parking {date}
excel crashes [again|big file]
ticket {ref} can be closed
lift stuck [again|{site}]
wrong [link|phone number] on intranet
question about [opening hours|the shuttle|the fire drill]
teams update [crash|ugly]
""",
    "Purchase": """
Please order [{n}|two|a dozen] {goods} for the {team} team, cost centre {code}.
I need a quote from {vendor} for [{n}|two|1#] {goods}, delivery to {site}.
The purchase order {po} [has not been sent|is still waiting for approval|has the wrong address].
The invoice {po} from {vendor} [has not been paid|was booked twice|shows the wrong VAT|has no order number].
Where is my order {po}? [The delivery was promised for {date}|The supplier knows nothing|Nothing arrived in {site}].
We want to [renew|extend|cancel] the licence of {tool}, [{n} seats|the contract ends on {date}].
Please [create|add] {vendor} as a new supplier in {app}, [bank details|the tax form] attached.
{vendor} delivered [only half|the wrong model|broken {goods}], please [return them|ask for a credit note].
I would like to buy [a subscription|{n} licences] for {tool}, price about {amount} EUR [per year|each].
My purchase request {po} was rejected: [budget exceeded|wrong cost centre|no quote attached]. How do I correct it?
Is there a framework contract with {vendor} for {goods}, or do I need [three quotes|a tender]?
Please confirm [receipt of goods|the goods receipt] for order {po}, the supplier waits for payment.
{vendor} sent a payment reminder of {amount} EUR for order {po}, who [pays|checks] it?
Can I pay [a conference fee|a train ticket|{goods}] with the company credit card, or is an order needed?
I would like to replace our old {goods}, what is in the [catalogue|shop] and at what price?
The delivery address of order {po} must change to {site}, [ramp 2|reception|attention {name}].
Who signs orders above {amount} EUR in {team} [while {first} is away|since the reorganisation]?
The supplier {vendor} asks for a [down payment|purchase order number|signed quote] before shipping.
Budget check please: {n} {goods} at {amount} EUR on {code}, is that still covered this year?
The price on the invoice ({amount} EUR) does not match the quote of {vendor} ({amount} EUR).
""",
    "goods": """
[monitors|headsets|docking stations|office chairs|standing desks|toner cartridges|laptops|keyboards]
[whiteboards|phone cases|webcams|licences|USB-C cables|label rolls|safety vests]
""",
    "po": "[PO-4#####|45000####|REQ-#####|BC-####]",
    "Purchase detail": """
The quote [of {vendor}|over {amount} EUR] is attached.
The budget is approved by {name}.
Please charge it to {code}.
The supplier offers {n}% discount until {date}.
The order was approved on {date}.
We bought the same in {month} (order {po}).
The delivery time is about {few} weeks.
The accounting department asks for the order number.
It is in the catalogue at {amount} EUR.
Please compare with another supplier if that is cheaper.
We need the goods in {site} by {date}.
""",
    "Purchase short": """
order [{n}|2] {goods}
quote {vendor} {goods}
invoice {po} [unpaid|wrong|booked twice]
where is order {po}
licence renewal {tool}
new supplier {vendor}
purchase request {po} [rejected|approval]
PO {po} {vendor} [please send|urgent]
return [wrong|broken] {goods} to {vendor}
payment reminder {vendor}
goods receipt {po}
price for {n} {goods}?
""",
    "Storage": """
My [{letter}: drive|network drive|home drive] is [full|at 9#%|out of space], [please extend it|nothing can be saved].
The [shared folder|team share|file share] of {team} has [disappeared|no space left|been emptied][, help|].
Please restore the [file|folder] [{file}|of project {project}] from the backup of [{date}|{weekday}|last night].
I deleted [{file}|a folder] by mistake [on {weekday}|this morning], can it be [recovered|restored]?
My mailbox [is full|has reached its quota|exceeds {few} GB], I can no longer [send|receive] anything.
OneDrive [does not sync|is stuck at [1|2|3|5|7|8]#%|shows red crosses|says the storage is full] since {since}.
The disk C: of [my {laptop}|{host}] has only [{few} MB|[1|2|4|7]#0 MB] left, [what may I delete?|Windows complains.]
The nightly backup of {host} [failed|did not run|ended with error ##] [twice|since {since}|on {weekday}].
We need [1|2|4|7]#0 GB of additional storage on {host} for [the archive|scanned invoices|project {project}|videos].
The [{letter}: drive|NAS] is [very slow|not reachable|gone] since {since}, opening [a folder|{file}] takes minutes.
The [archive|old files] of {team} [from 201#|older than {few} years] should be moved to cheaper storage.
Two people opened {file} and now there are [conflict copies|three versions], which one is good?
Please [increase|raise] the quota of {name} on [{host}|OneDrive|the {letter}: drive] to [1|2|4|7]#0 GB.
The [tablespace|log partition|data volume] on {host} is at 9#% and grows by {few} GB a day.
Where should we store [large videos|photos of the event|CAD files|drone pictures]? They do not fit on {letter}:.
The [USB disk|external hard drive] with the {team} archive must be copied to [the server|the NAS].
A snapshot of {host} [is missing|cannot be mounted|from {date} is needed] for [the audit|a restore test].
How long are [deleted files|mailbox backups|project archives] kept, and who can restore them?
The file {file} is [corrupt|damaged|0 KB] since {since}, an older version would do.
The synchronisation between {site} and {site} [is two days behind|stopped], files on {letter}: are [missing|old].
Copying [1|2|4|7]#0 GB from the old share to {host} stops with "[disk full|not enough space|path too long]".
""",
    "letter": "[K|P|S|T|H|X]",
    "file": """
[budget_201#.xlsx|contract_[final|v#].docx|payroll_{month}.csv|plan_{project}.mpp]
[photos_{site}|invoices_201#|minutes_{team}.docx|customers_v#.xlsx]
""",
    "Storage detail": """
The folder is on {host}.
It contains about [1|2|4|7]#0 GB.
The recycle bin is [empty|already emptied].
The last good version is from {date}.
I have already deleted [everything I can|old files|the temporary files].
The [owner|key user] of the folder is {name}.
The backup report shows error ###.
We keep these files for legal reasons, {few} years.
The free space shrinks by {few} GB a day.
Previous versions are greyed out.
The quota is [1|2|4]# GB, used [1|2|4]# GB.
""",
    "Storage short": """
drive {letter}: [full|gone|slow|not reachable]
disk full [{host}|{asset}|C:]
restore {file} [please|from {date}]
mailbox full [again|{name}]
onedrive [sync error|stuck|full]
quota [increase|exceeded] {name}
backup [failed|missing] {host}
deleted [folder|file] {file} [by mistake|need it back]
more space [{host}|{letter}:|project {project}]
NAS [slow|offline] {site}
archive {team} 201#
corrupt file {file}
""",
    "Hardware + Purchase": """
I need a [new|second|bigger] [monitor|headset|mouse|laptop bag|docking station], how do I get one?
My [keyboard|headset|mouse|charger] is worn out, [please replace it.|I need a new one.|can I order one?]
[{name}|My colleague] has no [headset|docking station|second screen] at [the new desk|home], please provide one.
Please replace the [printer|projector|TV] in room {room}, it is too old[ and repair costs more than a new one|].
The {laptop}s of the {team} team are {few} years old, when will they be [replaced|renewed]?
The [screens|laptops|phones] we ordered have arrived, who will [set them up|install them|unpack them]?
Request for [a webcam|an adapter|a USB-C cable|a privacy filter] for [me|{name}|the {team} team].
""",
    "Hardware + Purchase + HR Support + Access": """
{name} [joins|starts in] {team} on {date} and needs [a laptop|a computer], [a phone|a headset] and [an account|a badge].
New joiner on {date}: {name}, {team}. Please prepare [everything|the workplace|the usual equipment and logins].
Our intern {name} arrives {date}, nothing is ready: no [desk|laptop], no [login|badge], no [phone|mail address].
{name} leaves on {date}: please collect [the laptop|the phone] and [close the account|stop the badge].
{name} changes from {team} to {team}, [laptop|phone] and [account|rights] have to follow.
""",
    "Access + Storage": """
I no longer see the {letter}: drive [since {since}|after the restart|on my new {laptop}].
The [{team} share|shared folder|project folder] [does not open|is not there any more] [since {since}|on my {laptop}].
Please create a shared folder for {team} where only [{first} and I|managers] can [write|see the files].
I need the files of {name}, who left [the company |]on {date}.
I cannot save [{file}|my files] in the {team} folder [any more|since {since}].
Can I open [OneDrive|my network drive|the {team} folder] from [home|my phone|abroad]?
""",
    "Access + Administrative rights": """
I need more rights [on {host}|in {app}|on my {laptop}], the [current|standard] profile is not enough.
Please give {name} the rights [{first} had|of a key user|to manage users] in {app}.
I am not allowed to [open|start|use] {tool}, "contact your administrator".
My rights on {host} [are gone|have changed] since {since}.
My access level is too low to [change the settings|add users|schedule a job] [in {app}|on {host}].
""",
    "Administrative rights + Purchase + Miscellaneous": """
Please install {tool} on my {laptop}.
I would like to have {tool} [as well|on {asset}], {first} already has it.
{tool} asks for an [update|activation|licence key], what shall I do?
Can I use {tool} [at work|on my {laptop}]? [I do not find it in the software centre.|Is it allowed?]
""",
    "Access + HR Support": """
I cannot [see|open] my [payslip|contract|leave balance] [in {app}|on the portal] [since {since}|].
I cannot [enter|approve] [leave|hours|absences] in {app} [since {since}|any more].
My name is [wrong|misspelt] in {app}[ since my wedding|], [can you correct it?|who can change that?]
{name} is [back from|going on] [parental|sick|unpaid] leave on {date}, please [reactivate|suspend] the account.
My [contract|assignment] was extended until {date}, please [update your system|adapt the end date].
""",
    "Internal Project + Storage + Access": """
We need a [place|space|folder] for the documents of project {project}, [{n} people|{team} and {team}] work on it.
The project folder of {project} is [empty|missing|a mess] since {since}.
Please set up [the collaboration space|the document library] for {project} and {project}.
""",
    "Internal Project + Purchase": """
The budget of {project} [must pay for|should cover] {n} {goods}, [is that possible?|please arrange it.]
We need {tool} for project {project} by {date}, [code {code}|{n} users].
The consultant of {vendor} should work [1|2|4]# days for {project}, what do you need from us?
""",
    "Internal Project + HR Support": """
I need {n} more people in {team} for {project} from {date}.
My hours on {project} are [missing|wrong] in {app} for {month}.
{name} moves to {project} for [1|2|3|5|7|8]#% of the time, please update [the planning|the system].
""",
    "Hardware + Miscellaneous": """
Nothing works in room {room}: [no sound|no picture|no call] in [Teams|the meeting], [customers are waiting|help].
[Internet|The Wi-Fi|The network] is [slow|down|unstable] [on floor {few}|in {site}|since {since}].
[Outlook|Excel|Teams|Everything] is [so slow|hanging|frozen] [today|since {since}|on my {laptop}].
I cannot print [the badge labels|in colour|from {app}|double-sided] [any more|since {since}].
They cannot hear me [in Teams|on the phone|in the meeting].
Phones are down [in {site}|on floor {few}|in {team}].
""",
    "Purchase + HR Support": """
I paid {amount} EUR [myself|with my own card] for [{goods}|the trip to {site}|a training], how do I get it back?
Please book the [English|safety|Excel] training [at|with] {vendor} for {n} people, budget {code}.
My [company car|phone plan|travel card] runs out on {date}, who [renews|orders] it?
""",
    "Hardware + Storage": """
My {laptop} [says it is full|is slow because the disk is full|makes noises and files are missing].
The [external disk|USB stick|hard drive] [is not recognised|cannot be read], all the files of {project} are on it.
I got a new {laptop}, where are my [old files|documents|pictures from the desktop]?
""",
}

FRENCH = COMMON | {
    "app": "[PayDesk|TimeBoard|Nextrack|Cartolis|Sillage|Vigie|Galion|Boussole|SharePoint|SAP|Jira|Prisme]",
    "site": "[Lyon|Nantes|Lille|Rennes|Genève|Toulouse|Bordeaux|Porto|Leeds|Strasbourg]",
    "since": """
[ce matin|hier|{weekday}|la semaine dernière|la dernière mise à jour|le déménagement]
[mon retour de congés|le changement de mot de passe|ce week-end|{hour}|le {date}|avant-hier]
""",
    "weekday": "[lundi|mardi|mercredi|jeudi|vendredi]",
    "month": "[janvier|février|mars|avril|mai|juin|juillet|septembre|octobre|novembre|décembre]",
    "date": "[[3|7|11|14|18|23|27] {month}|[2|8|12|16|21|29] {month}|[04|07|13|19|26]/0[2|3|5|6|9]]",
    "hour": "[[8|9|10|11] h|[13|14|15|16|17]h|[9|10|14|15|16]h[15|30|45]]",
    "team": """
[finance|ventes|marketing|logistique|juridique|paie|qualité]
[relation client|recherche|trésorerie|communication|études|maintenance]
""",
    "laptop": "[portable|PC|PC portable|ordinateur|poste|ordi|poste de travail]",
    "phone": """
01 99 00 ## ##
06 39 98 ## ##
06 39 98 ## ##
01.99.00.##.##
""",
    "abbreviations": """
mot de passe > mdp
s'il vous plaît > svp
s'il te plaît > stp
toujours > tjs
beaucoup > bcp
quelqu'un > qqn
téléphone > tel
ordinateur > ordi
rendez-vous > rdv
aujourd'hui > auj.
semaine > sem.
responsable > resp.
pendant > pdt
demande > dde
imprimante > impr.
""",
    "greeting": """
[Bonjour,|Bonjour,|Bonjour,|Bonjour à tous,|Bonjour l'équipe,|Bonjour le support,|Bonsoir,|Bonjour {first},]
[Madame, Monsieur,|Salut,|Re-bonjour,|Bjr,|Hello,|Chers collègues,|Bonjour Madame, bonjour Monsieur,]
""",
    "noise": """
J'espère que vous allez bien.
Je suis [en télétravail|à {site}|en clientèle|en déplacement] [aujourd'hui|jusqu'à {weekday}|cette semaine].
Je rentre de [congés|congé maladie|déplacement|congé parental] et je découvre ceci.
Je suis dans l'équipe {team} depuis [une semaine|le {date}|deux mois][, mon responsable est {name}|].
Comme [convenu|vu] [hier|au téléphone|avec {first}|en réunion de projet], voici ma demande.
{first} m'a [conseillé d'ouvrir un ticket|dit que c'était la bonne adresse|parlé de vous].
Nous sommes en pleine [clôture mensuelle|période d'audit|phase d'inventaire|livraison du projet {project}].
J'ai appelé la hotline [deux fois|ce matin|{weekday}], on m'a demandé [de vous écrire|de créer un ticket].
Ceci fait suite au ticket {ref}, clos [trop vite|sans réponse|par erreur].
J'écris pour {name}, [en congé|sans ordinateur|en déplacement] [cette semaine|jusqu'à {weekday}].
Désolé [de vous relancer|si ce n'est pas le bon service|pour ce long message|, je ne suis pas très technique].
Nous avons déménagé de {site} à {site} en {month} et tout n'a pas suivi.
J'ai déjà envoyé [la facture|une capture|le formulaire] à {mail} [le {date}|{weekday}], sans réponse.
Notre équipe a [un nouveau responsable|une nouvelle assistante|un nouveau chef de projet], {name}.
J'ai lu [le guide|la page|la FAQ] sur l'intranet mais [cela n'aide pas|mon cas n'y est pas|le lien est mort].
Je suis [consultante externe|prestataire|stagiaire|intérimaire|alternant] auprès de l'équipe {team}.
Je partage [un bureau|un projet] avec {first} ({team}).
C'est mon [deuxième|troisième] ticket à ce sujet, le précédent était {ref}.
Je voulais écrire avant la réunion avec {vendor} de {weekday}, mais voilà.
""",
    "trouble": """
J'ai réessayé [ce matin|à {hour}|de chez moi|avec {first}], [rien ne change|même résultat].
Tout allait bien [jusqu'à {weekday}|le mois dernier|avant les vacances].
On a changé mon [portable|compte|téléphone|badge] [la semaine dernière|le mois dernier], c'est peut-être lié.
Je perds [une heure|une demi-heure|beaucoup de temps] chaque jour à cause de ça.
Environ [1#|2#|40] personnes sont concernées.
Cela bloque [toute l'équipe|trois personnes|notre projet|le service {team}|deux nouveaux collègues].
Aucune idée de [ce qui s'est passé|la cause][, j'ai juste ouvert {app}|].
Les collègues [du projet|de la finance|des achats|des RH] à {site} [n'ont rien de tel|ont la même chose].
""",
    "asked": """
J'ai demandé à {first}, qui [ne sait pas non plus|a le même souci|m'a dit de vous écrire].
Je n'ai trouvé [ni formulaire ni réponse|aucun formulaire|aucune explication] à ce sujet sur [le portail|l'intranet].
J'ai vérifié avec [mon responsable|l'équipe {team}|{name}] et [ça devrait aller|on m'a renvoyé vers vous].
[Une capture est jointe|Capture en PJ].
Voir [la pièce jointe|le mail ci-dessous|mon ticket précédent {ref}].
{first} [a eu le même cas|avait ouvert un ticket] [en {month}|l'an dernier] ({ref}).
""",
    "impact": """
Je ne peux pas [finir|avancer sur] [le rapport trimestriel|la clôture|ma feuille de temps|l'offre client] avant cela.
[Le comité de pilotage|La réunion client|L'audit|La démo|La formation] est [{weekday}|demain|à {hour}].
[La commande|La facture|Le fichier de paie|Le contrat] doit partir [ce soir|avant le {date}].
Rien d'urgent, [cela peut attendre le {date}|quand vous aurez un moment|mais ne m'oubliez pas].
C'est [assez|très|plutôt] urgent.
Mon responsable [{first} |]me [relance tous les jours|demande où ça en est].
J'ai [un client|une revue de projet|un entretien|un fournisseur|un point budget] à {hour}.
Je suis en congé à partir du {date}, donc si possible avant.
[Échéance|Date limite] : le {date}.
Nous recevons [des nouveaux|des visiteurs|un client|les auditeurs] le {date}.
Je pars à {site} [demain|{weekday}].
""",
    "request": """
Pouvez-vous [regarder|m'aider|vous en occuper|faire le nécessaire][ s'il vous plaît|] ?
Est-ce que [quelqu'un|l'un de vous] peut [me rappeler|m'appeler|me joindre] au {phone} ?
Merci de me [dire ce qu'il vous faut|prévenir quand c'est fait|confirmer|dire la marche à suivre].
Que dois-je faire ?
Qui peut m'aider ?
Je suis joignable au {phone}[ après {hour}|].
Merci de votre retour.
Serait-ce possible [aujourd'hui|avant {weekday}|cette semaine] ?
Merci d'avance pour votre [aide|retour|réponse rapide].
Pouvez-vous traiter cela [en priorité|avant {weekday}] ?
Merci de mettre {mail} en copie.
Quand puis-je espérer [une réponse|une solution|des nouvelles] ?
Si ce n'est pas vous, merci de transférer au bon service.
""",
    "aside": """
PS : « {Hardware short} », ce sera l'objet d'un autre ticket.
Au passage, pour {first} c'était « {Access short} » et vous aviez réglé ça en un jour ({ref}).
(Rien à voir avec mon autre ticket « {Storage short} ».)
PS : mon ticket « {HR Support short} » est toujours ouvert, ne pas confondre svp.
J'ai vu cela en attendant la suite de « {Purchase short} » ({ref}).
Sinon, « {Miscellaneous short} » peut être clos, merci.
PS : {first} vous écrira à part pour « {Internal Project short} ».
La dernière fois, on m'a répondu comme si c'était « {Administrative rights short} », ce n'est pas le cas.
""",
    "closing": """
[Merci,|Cordialement,|Bien cordialement,|Cdt,|Merci d'avance,|Bonne journée,]
[Merci et bonne journée,|Bien à vous,|Cordialement|Par avance merci,|Sincères salutations,|A bientôt,]
""",
    "signature": """
{first}
{first}
{name}
{name}
{name}¶Service {team}
{name} - {team} - {phone}
{name}¶Site de {site}, étage {few}
{name}¶{mail}¶Tél. {phone}
{first} ({team})
{name} | Port. {phone}
""",
    "reference": """
Réf. {ref}
Ticket : {ref}
En lien avec {ref}.
(cf. {ref})
N° de mon PC : {asset}
Centre de coûts {code}
""",
    "quote": """
¶----- Message d'origine -----¶De : {name} <{mail}>¶> Votre demande {ref} a été [enregistrée|clôturée].
¶Le {date}, {name} a écrit :¶> [Merci d'ouvrir un ticket.|Ce n'est pas mon domaine.|Peux-tu t'en occuper ?]
¶> De : {mail}¶> [Nous avons bien reçu votre message.|Je suis absent jusqu'au {date}.]
¶{name} a écrit {weekday} :¶> Cela ne dépend pas du service {team}, [voir avec le support|demande à l'IT ou aux RH].
""",
    "chaser": """
Avez-vous des nouvelles ?
Deuxième relance.
Je me permets de relancer, toujours sans réponse.
Toujours en attente :
Réouverture de {ref} :
""",
    "suffix": "[!!| - urgent| svp| ({site})| ?|...| - {first}| depuis {since}| {ref}| merci]",
    "Access": """
Mon {account} est [bloqué|verrouillé] [depuis {since}|après trois essais|encore une fois], je ne peux plus me connecter.
J'ai [oublié|perdu] mon [mot de passe|code PIN|code] pour {app} et le lien de réinitialisation [a expiré|ne marche pas].
Impossible de me connecter à {app} depuis {since} : [identifiants incorrects|compte désactivé|erreur ####].
Le VPN [refuse mon mot de passe|coupe toutes les dix minutes|ne se connecte plus] depuis {since}.
Merci de donner à {name} l'accès [en lecture|en écriture|complet] [au dossier {team}|à la boîte {team}|à {app}].
{name} doit avoir accès à {app} [pour la clôture|à partir du {date}|pour remplacer {first}].
Mon [application d'authentification|jeton|second facteur] ne marche plus, j'ai changé de téléphone.
Mon badge [n'ouvre plus|n'ouvre pas|est refusé à] [la porte principale|l'étage {team}|la salle serveurs|la barrière].
Merci de [supprimer|couper|désactiver] tous les accès de {name}, qui quitte [la société|le service] le {date}.
Il nous faut un compte invité pour {name}, [consultant|auditeur|partenaire] jusqu'au {date}.
Je suis passé de l'équipe {team} à l'équipe {team} et je ne vois pas les [menus|états|clients] dans {app}.
Merci de m'ajouter au groupe [{team}-users|grp-{team}], mêmes habilitations que {first}.
L'authentification unique [tourne en boucle|échoue|me renvoie à la page de login] quand j'ouvre {app}.
J'ai un « accès refusé » en ouvrant [le tableau de bord|le rapport|le site] [{team}|du projet {project}].
Mon compte expire le {date} alors que mon contrat est renouvelé, merci de le prolonger.
Puis-je avoir le même profil que {name} dans {app} ? Je prends la suite jusqu'au {date}.
Le mot de passe du compte de service svc-{project} expire le {date}, comment le renouveler ?
Mon assistante doit pouvoir [ouvrir|lire] [ma boîte mail|mon agenda] pendant mon absence.
Depuis le changement de mot de passe, [le Wi-Fi|Outlook|le VPN|mon téléphone] redemande mes identifiants.
Le bureau à distance vers {host} indique que mon utilisateur n'est pas autorisé.
Le code à usage unique [n'arrive jamais|arrive trop tard|est refusé] à la connexion sur {app}.
Merci de débloquer l'utilisateur {first}.{last} dans {app}, trop de mots de passe erronés.
Je vois le dossier {team} mais je ne peux pas [l'ouvrir|le modifier], autorisation manquante.
Je n'ai toujours pas d'identifiant pour {app}, seulement la messagerie.
""",
    "account": "[compte|compte Windows|utilisateur|compte {app}|compte de messagerie|identifiant]",
    "Access detail": """
Mon identifiant est [{first}.{last}|u0####|x1####].
Le mail de réinitialisation [part sur mon ancien téléphone|n'arrive jamais|contient un lien mort].
[{name}|Le service {team}] [valide|a validé] l'accès.
{first} a le même rôle et se connecte sans problème.
J'ai changé le mot de passe [comme demandé|{weekday}] et il a été accepté.
L'accord du propriétaire [du dossier|de l'application] est joint.
Un accès en lecture suffit.
Sur mobile la connexion fonctionne.
Le message est « [utilisateur inconnu|droits insuffisants|compte verrouillé|session expirée] ».
L'accès a été retiré par erreur [en {month}|le {date}].
Accès nécessaire du {date} au {date}.
""",
    "Access short": """
vpn [hs|en panne|ne marche plus|coupe] [encore|]
[mdp|mot de passe] [oublié|expiré|à réinitialiser] {app}
compte bloqué [encore|{app}]
plus d'accès [à {app}|au dossier {team}|à la boîte {team}]
accès {app} pour {name}
badge [refusé|ne marche pas] [{site}|étage {few}]
double authentification [nouveau téléphone|code non reçu]
connexion impossible {app}
débloquer [mon compte|{first}.{last}]
création de compte {name}
supprimer accès {name} départ {date}
accès refusé [projet {project}|dossier {team}|{app}]
""",
    "Administrative rights": """
J'ai besoin des droits [admin|administrateur|admin locaux] sur mon {laptop} pour [installer|configurer] {tool}.
L'installation de {tool} demande un mot de passe administrateur [que je n'ai pas.|, pouvez-vous le saisir à distance ?]
Merci de m'ajouter au groupe Administrateurs local [du poste {asset}|du serveur {host}].
Il me faut un accès [sudo|root] sur {host} pour [redémarrer le service|lire les logs|installer des paquets].
Mes droits admin temporaires ont expiré le {date}, merci de les prolonger jusqu'au {date}.
À chaque lancement de {tool}, une fenêtre de contrôle de compte demande les identifiants d'un administrateur.
Merci de retirer les droits admin de {name} sur [{asset}|{host}], plus nécessaires.
Je ne peux pas [modifier le fichier hosts|ouvrir un port|relancer un service] sans élévation de privilèges.
Puis-je avoir un compte à privilèges pendant [deux heures|une journée|le projet {project}] ?
Le pilote [de l'imprimante|du scanner|de la caméra] ne s'installe pas sans droits administrateur.
[Docker|WSL|La machine virtuelle] doit être activé sur mon {laptop}, il faut être administrateur.
Je voudrais être administrateur [du site|de la console] {app} à la place de {first}.
Quel formulaire pour demander un compte à privilèges, et qui valide les droits administrateur au service {team} ?
PowerShell refuse mon script, « exécuter en tant qu'administrateur » est grisé.
Les développeurs de {project} ont besoin des droits admin sur leurs postes pour [déboguer|ajouter des modules].
La mise à jour de {tool} doit être lancée en administrateur sur [{asset}|{n} postes de l'équipe {team}].
J'étais admin local sur l'ancien poste, sur le nouveau je suis simple utilisateur.
L'outil d'élévation rejette ma demande de privilèges [avec l'erreur ####|depuis {since}].
""",
    "tool": """
[Python|l'outil d'étiquetage|Visual Studio Code|la visionneuse CAO|l'éditeur PDF|Node]
[Wireshark|Git|la macro comptable|la boîte à outils {vendor}|la suite de statistiques]
""",
    "n": "[3|4|5|6|8|12|15]",
    "Administrative rights detail": """
Le logiciel est [gratuit|sur la liste autorisée|déjà sous licence].
Mon responsable [est d'accord|a signé le formulaire|a validé l'élévation].
C'est juste pour [une heure|un après-midi|l'installation], vous pourrez retirer le droit ensuite.
Il n'est pas proposé dans le centre logiciel.
J'ai signé la charte des comptes admin [l'an dernier|le {date}].
Sans élévation l'installation s'arrête à [1|2|3|5|7|8]# %.
L'erreur est « [l'opération demande une élévation|vous devez être administrateur|erreur 5, accès refusé] ».
Une prise en main à distance avec le mot de passe admin suffirait.
La sécurité a déjà donné son accord ({ref}).
""",
    "Administrative rights short": """
droits admin [{asset}|pour {tool}|svp]
admin local [expiré|demande]
mot de passe admin pour installer {tool}
[sudo|root] sur {host}
installer {tool} - pas admin
prolonger droits admin {name}
élévation [refusée|demande] {tool}
retirer admin {name} {asset}
exécuter en administrateur [bloqué|refusé] {tool}
compte à privilèges [projet {project}|{name}]
""",
    "HR Support": """
Mon bulletin de paie de {month} [est absent du portail|comporte une erreur|affiche mon ancienne adresse].
Je souhaite poser [{few} jours|une semaine|deux semaines] de congés en {month} mais mon solde [est faux|affiche 0].
Combien de [jours de congé|RTT|heures supplémentaires] me reste-t-il [cette année|fin {month}] ?
J'ai besoin d'une attestation [employeur|de salaire|de travail] pour [ma banque|un logement|la préfecture].
Mes heures supplémentaires de {month} [ne sont pas payées|manquent sur la fiche de paie].
Je vais être [papa|maman] en {month}, comment [demander|prolonger|partager] le congé parental ?
{name} arrive le {date} au service {team}, merci de prévoir [le contrat|l'intégration|la journée d'accueil].
J'ai déménagé, il faut changer mon adresse dans [mon dossier du personnel|le SIRH|{app}].
Je me suis [mariée|pacsé], comment changer mon [nom|statut familial] dans le dossier RH ?
Mon arrêt maladie du {date} [est joint|n'apparaît pas dans {app}|est toujours refusé].
Je voudrais m'inscrire à la formation [secourisme|anglais|management|Excel|sécurité] [de {month}|du {date}].
Dans le SIRH mon responsable est encore {name}, depuis la réorganisation ce devrait être {name}.
Quand ont lieu les [entretiens annuels|augmentations|primes|entretiens professionnels] cette année ?
Je souhaite passer à [80 %|temps partiel|quatre jours] à partir du {date}, quelle est la démarche ?
Mon RIB a changé, merci d'utiliser le nouveau compte pour le salaire de {month}.
L'annonce du poste au service {team} [contient une erreur|n'est pas visible sur le site carrières|doit être prolongée].
{first} démissionne, que dois-je faire comme responsable et quel est son dernier jour ?
Ma note de frais de {month} [a été refusée|n'est toujours pas remboursée].
Un [rendez-vous médical|déménagement|mariage] donne-t-il droit à un congé exceptionnel ?
Mes [tickets restaurant|titres de transport] de {month} ne sont pas arrivés.
Mon CDD se termine le {date}, sera-t-il [renouvelé|prolongé|transformé en CDI] ?
Un candidat pour le service {team} attend [une réponse|son contrat|la date de l'entretien], qui suit le dossier ?
{name}, en stage chez nous, n'a pas encore de convention, [l'école|l'université] la réclame.
Je n'arrive pas à valider [le congé|l'absence] de {name} dans {app}, la demande n'est pas dans ma liste.
Comment fonctionne [la mutuelle|le télétravail|l'épargne salariale|la prévoyance] pour les salariés de {site} ?
Qui est l'interlocuteur RH de {site} ? Question [confidentielle|personnelle] sur mon [contrat|salaire].
""",
    "HR Support detail": """
Mon matricule est #####.
Le portail RH ne montre que les documents de l'an dernier.
Mon contrat dit autre chose.
{first} de la paie [m'a dit d'écrire ici|est en congé].
Il me faut le document [signé|tamponné|en anglais].
Mon responsable a [validé|signé] la demande.
D'après la convention collective [j'y ai droit|cela devrait être payé].
Mon dernier jour est le {date}.
J'ai remis le formulaire à l'accueil le {date}.
Cela concerne aussi [mes enfants|mon conjoint|ma retraite].
J'ai saisi la demande dans {app} le {date}, toujours en attente.
""",
    "HR Support short": """
[fiche|bulletin] de paie {month} [?|erreur|pas dans le portail]
solde de congés [faux|question]
demande de [congé|RTT] {date}
attestation employeur [svp|banque]
congé parental [question|formulaire]
arrêt maladie {name}
arrivée {name} {date} [contrat|intégration]
prime {month} [quand|?]
changement d'adresse [RH|paie]
inscription formation [Excel|anglais|secourisme]
heures sup {month} non payées
note de frais [refusée|{month}]
mauvais responsable dans le SIRH
tickets restaurant {month}
""",
    "Hardware": """
Mon {laptop} [ne démarre plus|ne s'allume plus|reste noir|s'éteint tout seul] [depuis {since}|dès que je le débranche|].
L'écran de mon {laptop} [clignote|est fissuré|affiche des lignes vertes|s'assombrit] depuis {since}.
La batterie de mon {laptop} [tient {few} minutes|est gonflée|ne charge plus|passe de [1|2|3|5|7|8]# % à 0].
Ma station d'accueil [ne détecte plus|ne reconnaît pas|perd] [le deuxième écran|la souris|le réseau].
L'imprimante [de l'étage {few}|près du service {team}|de la salle 1##] [bourre|imprime blanc|affiche l'erreur ##].
L'imprimante de {site} n'a plus [de toner|de magenta] et la cartouche de réserve ne va pas.
Plusieurs touches de mon clavier [sont bloquées|ne répondent pas|tapent en double][, surtout la barre d'espace|].
Ma souris [double-clique toute seule|a perdu son récepteur|saute partout].
Mon casque [n'a plus de son|ne marche que d'un côté|grésille] en [appel|réunion].
Le vidéoprojecteur de la salle {room} [n'a pas de signal|est mort|reste bleu].
Le ventilateur de mon {laptop} fait un bruit [terrible|d'avion] et ça chauffe, même [au repos|avec Outlook seul].
J'ai fait tomber mon {laptop} [dans l'escalier|à la gare|hier], [la charnière|la vitre|la coque] est cassée.
Mon téléphone pro [ne charge plus|a l'écran cassé|est tombé dans l'eau|s'éteint].
Le chargeur de mon {laptop} [est cassé|sent le brûlé|a un faux contact|a été volé].
La webcam [affiche une image noire|n'est pas reconnue|est floue], le voyant [reste éteint|clignote].
Le scanner [avale plusieurs feuilles|trace une ligne noire|est introuvable] [à l'accueil|à l'étage {few}].
Les ports USB [de gauche|de la station|en façade] ne détectent plus rien.
Écran bleu [deux fois par jour|à chaque branchement|depuis {since}] sur {asset}.
Mon deuxième écran [reste noir|affiche « pas de signal »] [après la veille|en HDMI|depuis {since}].
La prise réseau [de mon bureau|de la salle 1##] est morte, le câble marche ailleurs.
Mon {laptop} [rame|se fige|est très lent] [depuis {since}|avec deux logiciels ouverts], il a {few} ans.
La douchette de l'entrepôt de {site} [ne bipe plus|ne lit rien|a perdu son appairage].
La tablette de l'équipe {team} [ne s'allume plus|a la vitre cassée|perd le Bluetooth].
Le pavé tactile [ne réagit plus|bouge tout seul] sur {asset}.
Mon poste fixe [sonne sans son|affiche « pas de ligne »|a un combiné cassé].
Un bruit bizarre vient [de l'unité centrale|de la baie serveur|de mon {laptop}] salle 1##.
Le {laptop} de remplacement est arrivé avec [une touche cassée|un pixel mort|sans chargeur].
Mon {laptop} doit être [récupéré|réparé|échangé], la garantie finit le {date}.
""",
    "room": "[Everest|2.14|Baltique|1.07|Tulipe|Volta|3.31|Curie]",
    "Hardware detail": """
Le numéro d'inventaire est {asset}.
J'ai essayé [un autre câble|une autre prise|avec un autre], pareil.
J'ai redémarré [deux fois|trois fois] et réinstallé le pilote.
Avec [l'ancien|celui de {first}] ça marche.
Le voyant [clignote orange|reste éteint|est rouge].
Il est sous garantie jusqu'au {date}.
Auriez-vous [un appareil|un portable] de prêt en attendant ?
L'appareil a {few} ans.
Ça arrive [à chaud|après la veille|au hasard|le matin].
Je peux l'apporter au comptoir IT [à {hour}|{weekday}].
Le technicien a déjà changé [le câble|la batterie|le ventilateur] en {month}.
Sur le bureau de mon collègue le même appareil marche.
""",
    "Hardware short": """
{laptop} [mort|ne démarre pas|trop chaud|très lent|figé] [encore|]
imprimante [bourrage|hors ligne|erreur ##|plus de toner] [étage {few}|salle {room}]
[deuxième|second] écran [noir|clignote|pas de signal]
[clavier|casque] [cassé|non détecté|mort]
dock [non reconnu|mort|perd les écrans]
batterie [vide en {few} min|gonflée]
chargeur [cassé|perdu]
écran cassé {asset}
écran bleu [encore|{asset}]
téléphone [écran cassé|ne charge pas]
projecteur [salle {room}|pas de signal]
plus de son [casque|{laptop}]
scanner [lignes noires|hors ligne] [{site}|étage {few}]
souris [HS|ne marche plus] {asset}
""",
    "Internal Project": """
Merci de créer [le projet {project}|un code projet pour {project}] dans {app}, chef de projet {name}.
Le projet {project} passe en phase {few} : merci de mettre à jour [le planning|les jalons|le statut] dans {app}.
Il nous faut [un environnement de test|un espace projet|un tableau Jira] pour le projet {project} [d'ici le {date}|].
Je veux imputer des heures sur {code} mais [le code projet est fermé|la tâche manque|la phase est terminée].
Merci d'ajouter {name} à l'équipe projet {project} [à [1|2|3|5|7|8]# %|jusqu'au {date}].
[La mise en production|La bascule|La phase pilote] de {project} est reportée au {date}, prévenir [les testeurs|{site}].
Le comité de pilotage de {project} demande [un budget révisé|la liste des risques|le coût par phase].
Pouvez-vous réserver [un développeur|un testeur|un architecte] pour {project} [en {month}|pendant {few} jours] ?
Recette de {project} : [le cas de test ## échoue|il manque les jeux de données|les testeurs voient une liste vide].
[La revue de sprint|Le lancement|La rétrospective] de {project} n'a pas de [date|ordre du jour], le PMO peut aider ?
Merci de [clôturer|archiver|suspendre] le projet {project}, [livrables acceptés|le sponsor est parti].
Le besoin de {project} évolue : [l'interface|l'état|le formulaire] doit [couvrir {site}|afficher le centre de coûts].
Demande d'évolution {project} : [nouveau champ|export supplémentaire] dans le module [planning|commandes].
Qui est [le sponsor|le chef de projet|le product owner] de {project} depuis le départ de {name} ?
[Le Gantt|La feuille de route] de {project} dans {app} affiche de vieilles dates.
Idée de projet interne : [signature numérique au service {team}|zéro papier à {site}|un chatbot pour {site}].
La migration de {site} dans {project} demande un plan de bascule et [un week-end|deux ressources].
Le budget du projet {project} est consommé à [1|2|3|5|7|8]# %, merci de débloquer la suite sur {code}.
Merci de lancer une étude de faisabilité pour {project}, charge en jours pour [le service {team}|l'IT].
""",
    "Internal Project detail": """
Le sponsor est {name}.
La note de cadrage est jointe.
Le prochain jalon est le {date}.
Le PMO l'a enregistré sous {code}.
Le lancement est prévu le {date}.
La charge est d'environ [1|2|4]# jours.
Le livrable est [en retard|attendu en fin de sprint].
Les référents de {site} sont prévenus.
Périmètre et budget [inchangés|vus en comité].
Le planning prévoit la fin de la phase {few} le {date}.
""",
    "Internal Project short": """
nouveau code projet {project}
projet {project} [mise en prod décalée|suspendu|point d'avancement|lancement]
{project} [environnement de test|backlog|feuille de route] [manque|?|svp]
ajouter {name} au projet {project}
imputation {code} fermée
planning sprint [1|2]# {project}
demande d'évolution {project}
clôture projet {project}
recette {project} test ## KO
ressources {project} {month}
jalon {date} {project}
""",
    "Miscellaneous": """
[Le chauffage|La clim|La lumière] [de la salle {room}|de l'étage {few}|à mon bureau] [ne marche pas|est trop forte].
J'ai reçu un mail étrange [de {name}|au sujet d'un colis|avec une fausse facture], est-ce du [phishing|spam] ?
Comment [régler|changer|désactiver] [ma signature|le message d'absence|les notifications] dans Outlook ?
La salle {room} est [réservée deux fois|bloquée toute la semaine|absente de l'agenda] le {date}.
[La cantine|La salle de sport|La bibliothèque] est-elle ouverte [le {date}|pendant les fêtes|le soir] ?
J'ai oublié [mon parapluie|ma veste|ma gourde] [dans la navette|salle {room}|à la cantine], quelqu'un l'a vu ?
[La machine à café|Le distributeur|La fontaine] de l'étage {few} [fuit|est vide|avale les pièces].
La page intranet {team} affiche [un vieil annuaire|un lien mort|le calendrier de l'an dernier].
Merci d'annoncer [notre course solidaire|la fête d'été|la journée portes ouvertes] [sur l'intranet|dans la lettre].
Mes mails vers [{vendor}|{mail}] reviennent [non distribués|avec une erreur ###].
Où garer [la voiture d'un visiteur|une camionnette|mon vélo] le {date} ?
Excel [plante|se ferme sans rien dire|affiche ####] avec [un gros fichier|un tableau croisé|le fichier de {first}].
L'invitation du {date} [a le mauvais fuseau horaire|n'a pas de lien|indique la mauvaise salle].
Comment [convertir un PDF|fusionner deux agendas|faire un sondage|imprimer en couleur] ? L'aide n'aide pas.
[L'ascenseur|La porte automatique|Le store] [de l'entrée|de l'étage {few}] est encore en panne.
Un [colis|courrier|recommandé] pour [{vendor}|{name}] peut-il partir [aujourd'hui|par coursier] ? Où le déposer ?
Nous attendons [1#|20|30] visiteurs le {date} : [prévenir l'accueil|réserver des repas] s'il vous plaît.
Faute dans [le menu|le pied de page|le mail d'accueil] de {app} : il faut lire « [Valider|Annuler|Échéance] ».
Pouvez-vous nettoyer [la vitre|la cuisine|la moquette] en salle {room} ? [Un gâteau|Du café], ne demandez pas.
Suggestion : [une deuxième fontaine|un {weekday} sans viande|des heures calmes] à {site}.
La liste de diffusion [tous-{team}|infos-{site}] [contient des gens partis|envoie tout en double].
Merci pour [l'aide rapide sur {ref}|la semaine dernière], ticket à clore. Et bravo à {first} !
[Quel service|Quel numéro] pour une question sur [l'exercice incendie|les clés perdues|les voitures de société] ?
L'horloge de {app} a une heure [de retard|d'avance] depuis le changement d'heure.
Merci de m'abonner à [la lettre interne|la revue de presse], et de désabonner {first}.
""",
    "Miscellaneous detail": """
Ce n'est pas grave.
Plusieurs collègues de l'étage l'ont remarqué.
Les services généraux disent ne pas être concernés.
Le panneau d'affichage n'en dit rien.
C'est par curiosité.
Je n'ai rien vu dans la lettre interne.
On en parlait déjà [en {month}|l'hiver dernier].
D'autres se posent sûrement la question.
L'accueil m'a renvoyé vers vous.
Une réponse courte suffit.
""",
    "Miscellaneous short": """
[chauffage|clim|lumière] en panne salle {room}
mail suspect de {mail}
phishing ? [voir PJ|mail colis]
machine à café étage {few} [fuit|vide]
salle {room} réservée deux fois {date}
perdu [parapluie|écharpe|clés] [{site}|cantine]
signature outlook [comment|mauvais logo]
parking visiteur {date}
excel plante [encore|gros fichier]
ticket {ref} à clore
ascenseur bloqué [encore|{site}]
[lien mort|mauvais numéro] sur l'intranet
question [horaires|navette|exercice incendie]
""",
    "Purchase": """
Merci de commander [{n}|deux|une dizaine de] {goods} pour l'équipe {team}, centre de coûts {code}.
Il me faut un devis de {vendor} pour {n} {goods}, livraison à {site}.
La commande {po} [n'est pas partie|attend toujours la validation|a la mauvaise adresse].
La facture {po} de {vendor} [n'est pas payée|est comptée deux fois|a une TVA fausse|n'a pas de numéro de commande].
Où en est ma commande {po} ? [Livraison promise le {date}|Le fournisseur ne sait rien|Rien n'est arrivé à {site}].
Nous voulons [renouveler|étendre|résilier] la licence de {tool}, [{n} postes|échéance le {date}].
Merci de créer le fournisseur {vendor} dans {app}, [RIB|Kbis] joint.
{vendor} a livré [la moitié|le mauvais modèle|des {goods} en mauvais état], merci de demander [un avoir|un retour].
Je voudrais acheter [un abonnement|{n} licences] pour {tool}, environ {amount} EUR [par an|pièce].
Ma demande d'achat {po} est rejetée : [budget dépassé|mauvais centre de coûts|devis absent]. Comment corriger ?
Existe-t-il un contrat cadre avec {vendor} pour des {goods}, ou faut-il trois devis ?
Merci de confirmer la réception de la commande {po}, le fournisseur attend son paiement.
{vendor} a envoyé une relance de {amount} EUR pour la commande {po}, qui [paie|vérifie] ?
Puis-je payer [un colloque|un billet de train|des {goods}] avec la carte de la société, ou faut-il une commande ?
Que propose le catalogue pour remplacer nos {goods}, et à quel prix ?
L'adresse de livraison de la commande {po} devient {site}, [quai 2|accueil|à l'attention de {name}].
Qui signe les commandes au-dessus de {amount} EUR au service {team} [pendant l'absence de {first}|] ?
Le fournisseur {vendor} demande [un acompte|un bon de commande|le devis signé] avant d'expédier.
Le prix de la facture ({amount} EUR) ne correspond pas au devis de {vendor} ({amount} EUR).
""",
    "goods": """
[moniteurs|casques|claviers|stations d'accueil|bureaux réglables|fauteuils|cartouches de toner]
[PC portables|tableaux blancs|téléphones|câbles USB-C|rouleaux d'étiquettes|vidéoprojecteurs]
""",
    "po": "[BC-####|45000####|DA-#####|CMD-####]",
    "Purchase detail": """
Le devis [de {vendor}|de {amount} EUR] est joint.
Budget validé par {name}.
À imputer sur {code}.
Le fournisseur propose {n} % de remise jusqu'au {date}.
La commande a été validée le {date}.
Nous avons acheté la même chose en {month} (commande {po}).
Le délai est de {few} semaines.
La comptabilité réclame le bon de commande.
C'est au catalogue à {amount} EUR.
Comparez avec un autre fournisseur si c'est moins cher.
Livraison souhaitée à {site} avant le {date}.
""",
    "Purchase short": """
commander [{n}|2] {goods}
devis {vendor} {goods}
facture {po} [impayée|fausse|en double]
où est la commande {po}
renouvellement licence {tool}
nouveau fournisseur {vendor}
demande d'achat {po} [rejetée|à valider]
bon de commande {po} {vendor}
retour {goods} à {vendor}
relance paiement {vendor}
réception commande {po}
prix pour {n} {goods} ?
""",
    "Storage": """
[Le lecteur|Le disque] {letter}: est [plein|à 9# %|saturé], [merci de l'agrandir|plus rien ne s'enregistre].
[Le dossier partagé|Le partage|Le répertoire] {team} [a disparu|est saturé|est vide] [depuis {since}|].
Merci de restaurer [le fichier|le dossier] [{file}|du projet {project}] depuis la sauvegarde [du {date}|de {weekday}].
J'ai supprimé [{file}|un dossier] par erreur [{weekday}|ce matin], peut-on le récupérer ?
Ma boîte mail [est pleine|a atteint son quota|dépasse {few} Go], je ne peux plus rien [envoyer|recevoir].
OneDrive [ne synchronise plus|bloque à [1|2|3|5|7|8]# %|affiche des croix rouges|dit que tout est plein] depuis {since}.
Il reste [{few} Mo|[1|2|4|7]#0 Mo] sur le disque C: de [mon {laptop}|{host}], que puis-je effacer ?
La sauvegarde de nuit de {host} [a échoué|n'a pas tourné|finit en erreur ##] [deux fois|{weekday}].
Il nous faut [1|2|4|7]#0 Go d'espace de plus sur {host} pour [les archives|les factures scannées|le projet {project}].
Le [lecteur {letter}:|NAS] est [très lent|injoignable] depuis {since}, ouvrir [un dossier|{file}] prend des minutes.
Les archives {team} [de 201#|de plus de {few} ans] doivent aller sur un stockage moins cher.
Deux personnes ont ouvert {file}, il y a maintenant [des copies en conflit|trois versions], laquelle est bonne ?
Merci d'augmenter le quota de {name} sur [{host}|OneDrive|{letter}:] à [1|2|4|7]#0 Go.
Le volume de données de {host} est à 9# % et grossit de {few} Go par jour.
Où stocker [de grosses vidéos|les photos du séminaire|les plans CAO] ? Cela ne tient pas sur {letter}:.
Le disque externe avec les archives {team} doit être copié sur [le serveur|le NAS].
Combien de temps garde-t-on [les fichiers supprimés|les sauvegardes|les archives projet] ?
Le fichier {file} est [corrompu|illisible|à 0 Ko] depuis {since}, une version antérieure suffirait.
La synchronisation entre {site} et {site} [a deux jours de retard|est arrêtée], des fichiers de {letter}: manquent.
La copie de [1|2|4|7]#0 Go vers {host} s'arrête : [disque plein|espace insuffisant|chemin trop long].
""",
    "letter": "[K|P|S|T|H|X]",
    "file": """
[budget_201#.xlsx|contrat_[final|v#].docx|paie_{month}.csv|plan_{project}.mpp]
[photos_{site}|factures_201#|cr_{team}.docx|clients_v#.xlsx]
""",
    "Storage detail": """
Le dossier est sur {host}.
Il contient environ [1|2|4|7]#0 Go.
La corbeille est [vide|déjà vidée].
La dernière bonne version date du {date}.
J'ai déjà effacé [tout ce que je pouvais|les vieux fichiers|les fichiers temporaires].
Le propriétaire du dossier est {name}.
Le rapport de sauvegarde indique l'erreur ###.
Nous devons garder ces fichiers {few} ans.
L'espace libre baisse de {few} Go par jour.
Les versions précédentes sont grisées.
Quota de [1|2|4]# Go, [1|2|4]# Go utilisés.
""",
    "Storage short": """
lecteur {letter}: [plein|disparu|lent|injoignable]
disque plein [{host}|{asset}|C:]
restaurer {file} [svp|du {date}]
boîte mail pleine [encore|{name}]
onedrive [erreur de synchro|bloqué|plein]
quota [à augmenter|dépassé] {name}
sauvegarde [KO|manquante] {host}
[dossier|fichier] {file} supprimé [par erreur|à récupérer]
plus d'espace [{host}|{letter}:|projet {project}]
NAS [lent|hors ligne] {site}
archives {team} 201#
fichier corrompu {file}
""",
    "Hardware + Purchase": """
Il me faut [un nouvel écran|un deuxième écran|un casque|une sacoche|une station d'accueil], comment faire ?
Mon [clavier|casque|chargeur] est usé, [merci de le remplacer.|il m'en faut un neuf.|puis-je en commander un ?]
{name} n'a pas de [casque|station d'accueil|deuxième écran] [au nouveau bureau|en télétravail], merci d'en fournir.
Merci de remplacer [l'imprimante|le projecteur|l'écran] de la salle {room}, trop vieux[ et cher à réparer|].
Les {goods} de la commande {po} sont là, qui [les installe|les déballe|s'en occupe] ?
Demande [de webcam|de câble USB-C|de filtre de confidentialité] pour [moi|{name}|l'équipe {team}].
""",
    "Hardware + Purchase + HR Support + Access": """
{name} rejoint le service {team} le {date}, prévoir [un portable|un PC], [un téléphone|un casque], [un compte|un badge].
Arrivée le {date} : {name}, {team}. Merci de préparer [le poste|tout le nécessaire|le matériel et les accès].
Notre stagiaire {name} arrive le {date}, rien n'est prêt : ni [bureau|PC], ni [compte|badge], ni [téléphone|mail].
{name} part le {date} : merci de récupérer [le portable|le téléphone] et de [fermer le compte|couper le badge].
{name} passe du service {team} au service {team}, [le portable|le téléphone] et [le compte|les droits] doivent suivre.
""",
    "Access + Storage": """
Je ne vois plus le lecteur {letter}: [depuis {since}|après redémarrage|sur mon nouveau {laptop}].
[Le partage {team}|Le dossier partagé|Le dossier projet] [ne s'ouvre plus|a disparu] [depuis {since}|sur mon {laptop}].
Merci de créer un dossier partagé {team} où seuls [{first} et moi|les responsables] peuvent [écrire|voir les fichiers].
J'ai besoin des fichiers de {name}, qui a quitté la société le {date}.
Je ne peux plus enregistrer [{file}|mes fichiers] dans le dossier {team} [depuis {since}|].
""",
    "Access + Administrative rights": """
Il me faut plus de droits [sur {host}|dans {app}|sur mon {laptop}], le profil [actuel|standard] ne suffit pas.
Merci de donner à {name} les droits [de {first}|de référent|de gestion des utilisateurs] dans {app}.
Je n'ai pas le droit [d'ouvrir|de lancer|d'utiliser] {tool}, « contactez votre administrateur ».
Mes droits sur {host} [ont disparu|ont changé] depuis {since}.
""",
    "Administrative rights + Purchase + Miscellaneous": """
Merci d'installer {tool} sur mon {laptop}.
Je voudrais aussi {tool} [sur {asset}|], {first} l'a déjà.
{tool} demande [une mise à jour|une activation|une clé de licence], que faire ?
Peut-on utiliser {tool} au travail ? [Je ne le trouve pas dans le centre logiciel.|Est-ce autorisé ?]
""",
    "Access + HR Support": """
Je ne peux pas [voir|ouvrir] [ma fiche de paie|mon contrat|mon solde de congés] [dans {app}|sur le portail].
Je ne peux plus [saisir|valider] [les congés|les heures|les absences] dans {app} [depuis {since}|].
Mon nom est mal écrit dans {app}[ depuis mon mariage|], [pouvez-vous corriger ?|qui peut le changer ?]
{name} [revient de|part en] congé [parental|sans solde] le {date}, merci de [réactiver|suspendre] le compte.
Mon contrat est prolongé jusqu'au {date}, merci [de mettre le système à jour|d'adapter la date de fin].
""",
    "Internal Project + Storage + Access": """
Il faut un [espace|dossier] pour les documents du projet {project}, [{n} personnes|deux services] y travaillent.
Le dossier du projet {project} est [vide|introuvable|en désordre] depuis {since}.
""",
    "Internal Project + Purchase": """
Le budget de {project} [doit payer|devrait couvrir] {n} {goods}, [est-ce possible ?|merci de voir.]
Il nous faut {tool} pour le projet {project} avant le {date}, [code {code}|{n} utilisateurs].
Le consultant de {vendor} doit faire [1|2|4]# jours sur {project}, que vous faut-il ?
""",
    "Internal Project + HR Support": """
Il me faut {n} personnes de plus au service {team} pour {project} à partir du {date}.
Mes heures sur {project} sont [absentes|fausses] dans {app} pour {month}.
{name} passe sur {project} à [1|2|3|5|7|8]# %, merci de mettre à jour [le planning|le système].
""",
    "Hardware + Miscellaneous": """
Rien ne marche en salle {room} : pas [de son|d'image] [dans Teams|pour la réunion], [les clients attendent|au secours].
[Internet|Le Wi-Fi|Le réseau] est [lent|coupé|instable] [à l'étage {few}|à {site}|depuis {since}].
[Outlook|Excel|Teams|Tout] est [si lent|bloqué|figé] [aujourd'hui|depuis {since}|sur mon {laptop}].
Je ne peux plus imprimer [en couleur|depuis {app}|recto verso] [depuis {since}|].
On ne m'entend pas [dans Teams|au téléphone|en réunion].
Plus de téléphone [à {site}|à l'étage {few}|au service {team}].
""",
    "Purchase + HR Support": """
J'ai payé {amount} EUR de ma poche pour [des {goods}|le trajet à {site}|une formation], comment être remboursé ?
Merci de réserver la formation [anglais|sécurité|Excel] chez {vendor} pour {n} personnes, budget {code}.
Ma [voiture de société|carte de transport] arrive à échéance le {date}, qui [renouvelle|commande] ?
""",
    "Hardware + Storage": """
Mon {laptop} [dit qu'il est plein|rame, disque plein|fait du bruit et des fichiers manquent].
[Le disque externe|La clé USB|Le disque dur] [n'est pas reconnu|est illisible], avec tous les fichiers de {project}.
J'ai un nouveau {laptop}, où sont mes [anciens fichiers|documents|photos du bureau] ?
""",
}
