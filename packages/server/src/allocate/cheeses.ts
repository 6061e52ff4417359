import { RelayName } from "@patela/domain/relay/RelayName"

/**
 * Names for relays: cheeses, in lower-case letters and digits, each once. Order matters: names are given from the front,
 * so append only. None is longer than 17 characters, which leaves room for a number.
 */
const LIST = `
  toma castelmagno robiola braduro bratenero raschera murazzano ossolano bettelmatt seirass bruss macagno
  toumindalmel testun plaisentif cevrin montebore maccagno gorgonzola taleggio asiago fontina parmigiano
  granapadano pecorino pecorinoromano pecorinosardo pecorinotoscano pecorinosiciliano fioresardo mozzarella
  burrata stracciatella stracchino crescenza ricotta mascarpone scamorza caciocavallo provolone provola bitto
  casera bagoss branzi formaidemut strachitunt quartirolo salvacremasco monteveronese montasio piave morlacco
  puzzonedimoena spressa casolet vezzena stelvio graukase squacquerone casatella ragusano piacentinu vastedda
  maiorchino canestrato primosale giuncata marzolino caciotta casciotta fossa bergkase burrino cacioricotta
  casizolu conciatoromano marzotica nostrano pallonedigravina paglierina raviggiolo silter tombea valtellina
  zigercolo brie camembert roquefort comte beaufort reblochon munster livarot pontleveque neufchatel epoisses
  langres chaource brillatsavarin boursault saintnectaire cantal salers laguiole fourmedambert bleudauvergne
  bleudegex bleudescausses bleuduvercors morbier montdor vacherin abondance tomme tommedesavoie chevrotin tamie
  saintmarcellin saintfelicien picodon pelardon banon rocamadour cabecou crottin chavignol valencay
  sellessurcher pouligny saintemaure chabichou mothais charolais maconnais ossauiraty etorki brocciu niolo
  calenzana mimolette maroilles boulettedavesnes rollot coulommiers gournay boursin cancoillotte raclette
  emmental rigotte arome bethmale bonde brousse carredelest dauphin delice feuillededreux fontainebleau gaperon
  grattepaille lavort lucullus murol olivet pavedauge pavedaffinois petitsuisse pierrerobert portsalut
  saintagur saintalbray saintandre saintpaulin soumaintrain trappe venaco vieuxlille vieuxboulogne brindamour
  chaumes cherveux explorateur bargkass ardigasna barousse belval cendre curenantais echourgnac faisselle figou
  galette regal taupiniere tomedesbauges tourmalet xaintray gruyere appenzeller sbrinz tilsiter tetedemoine
  vacherinfribourg schabziger berneralpkase formaggella piora mutschli etivaz bloderkase unterwaldner allgauer
  limburger romadur cambozola handkase harzer quark butterkase weisslacker altenburger nieheimer steppenkase
  kochkase obatzda bavariablu montagnolo ramati tirolergraukase vorarlberger gailtaler lunebourg mondseer
  quargel surakas steirerkas gouda edam leerdammer maasdam leyden boerenkaas nagelkaas kernhem maaslander
  beemster oldamsterdam limburg herve passendale chimay orval maredsous brusselse rodoric remoudou nazareth
  roomano parrano primadonna vlaskaas graskaas schapenkaas texelaar subenhara kanterkaas nokkelost cheddar
  stilton wensleydale lancashire cheshire caerphilly redleicester doublegloucester derby sagederby
  dorsetbluevinny shropshireblue stinkingbishop cornishyarg swaledale teesdale cotherstone coverdale
  cornishblue oxfordblue tunworth baronbigod winslade ticklemore beenleighblue harbourneblue bathsoft
  kelstonpark wigmore waterloo spenwood berkswell lincolnshire poacher sussexslipcote duddleswell colston
  perllas perlwen hafod teifi pantysgawn llanboidy tintern crowdie caboc dunlop lanarkblue dunsyreblue
  strathdon isleofmull bonchester gubbeen durrus milleens cashelblue coolea ardrahan dubliner cooleeney killeen
  corleggy knockanore wicklow carrigaline stichelton tymsboro ogleshield rollright sinodun innesbutton
  yorkshireblue blacksticks bowland herefordhop huntsman windsorred ilchester manchego cabrales mahon idiazabal
  roncal zamorano tetilla arzuaulloa sansimon cebreiro garrotxa ibores murciaalvino majorero palmero flordeguia
  tortadelcasar laserena picon valdeon gamoneu afuegalpitu casin quesucos burgos iberico cuajada mato tupi
  recuit cadi montsec peral villalon aracena payoyo acehuche liebana beyos vidiago camerano serradaestrela
  azeitao serpa evora nisa castelobranco rabacal saojorge pico terrincho transmontano requeijao saloio tolosa
  ilha feta halloumi kefalotyri kefalograviera graviera kasseri manouri mizithra anthotyro metsovone ladotyri
  galotyri formaella kalathaki kopanisti katiki sfela batzos xynomizithra xynotyro anari touloumotyri telemea
  cascaval kashkaval sirene urda nasal burduf svecia paskisir livno travnik tolminc bovski mohant nanoski lika
  skripavac kajmak pule zlatar sjenica pirot njegusi trappista palpusztai ovari liptauer bryndza ostiepok
  oscypek parenica korbacik olomouc hermelin niva romadurka zlato twarog bundz redykolka koryci rokpol bursztyn
  tylzycki golka dziugas jani atleet rokiskio danablu havarti esrom danbo samso fynbo maribo molbo elbo tybo
  rygeost saga castello jarlsberg brunost gjetost gamalost norvegia ridder pultost snofrisk nokkel geitost
  selbu vasterbotten prastost herrgard greve adelost hushall ambrosia kvibille wrangeback juustoleipa lappi
  oltermanni turunmaa aura munajuusto ilves hofdingi skyr colby montereyjack pepperjack muenster brick
  humboldtfog rogueriverblue maytag teleme dryjack cottage liederkranz provel pleasantridge redhawk mttam
  pointreyes cabot vella harbison winnimere bayleyhazen moonglow oka cendrillon kenogami migneron sauvagine
  benedictin riopelle ermite gredeschamps pieddevent oaxaca cotija panela asadero quesofresco manchegopoblano
  chihuahua requeson adobera quesillo minas coalho catupiry canastra serro reino prato chanco cuartirolo sardo
  reggianito colonia paria mantecoso andean guayanes telita palmita paipa costeno pera campesino paneer chhana
  kalari bandel chhurpi chura rushan rubing nguri byaslag aaruul sakura dangke kesongputi akkawi nabulsi
  halloum jibneh shanklish labneh baladi jameed domiati rumi areesh mish beyaz tulum kasar civil lor cecil
  mihalic ezine hellim ayib wagashi jben wara lighvan tvorog sulguni imeruli chechil adyghe tenili motal lori
  brinza poshekhonsky kostroma uglich altai bukuz
`

export const cheeses: ReadonlyArray<RelayName> = LIST.trim().split(/\s+/).map((name) => RelayName.make(name))
