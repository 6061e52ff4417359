import { Effect, Option, Schema } from "effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { authorityNetwork } from "./Addresses.ts"
import type { CommandFailed, CommandFault } from "./Command.ts"
import { type Consensus, type DeclaredFamily, readConsensus, readFamilies } from "./Consensus.ts"
import { type DeadlineOptions, type DeadlinePassed, instead, type Look, waitFor } from "./Deadline.ts"
import { Namespace } from "./Namespace.ts"
import { nodeBinary } from "./Repository.ts"
import { TemporaryDirectory } from "./TemporaryDirectory.ts"
import { Veth } from "./Veth.ts"

/**
 * The three directory authorities of a private Tor network, and three relays of strangers, without which circuits would want
 * for hops. They vote every ten seconds, and test each relay themselves.
 */
export interface TorAuthorities {
  readonly namespace: Namespace
  /** What makes a relay one of this network. */
  readonly torrc: string
  /** Every consensus that was published so far, oldest first. */
  readonly consensuses: Effect.Effect<ReadonlyArray<Consensus>>
  /** Waits until the newest consensus is as wanted. */
  readonly agreed: <A>(
    what: string,
    look: (newest: Consensus) => Look<A>,
    options?: DeadlineOptions
  ) => Effect.Effect<A, DeadlinePassed>
  /** What the authorities hand out of the family of each relay that the consensus lists, by nickname. */
  readonly families: (consensus: Consensus) => Effect.Effect<
    ReadonlyMap<string, DeclaredFamily>,
    CommandFailed | CommandFault
  >
}

const Answer = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ url: Schema.String, text: Schema.String }))
)

const OR_PORT = 5000
const DIR_PORT = 7000

/** tor takes nothing shorter: an interval of 10 s, of which half is for votes to come and be counted. */
const TIMES = [
  "TestingV3AuthInitialVotingInterval 10",
  "TestingV3AuthInitialVoteDelay 2",
  "TestingV3AuthInitialDistDelay 2",
  "V3AuthVotingInterval 10",
  "V3AuthVoteDelay 2",
  "V3AuthDistDelay 2"
]

interface Place {
  readonly v4: string
  readonly v6: string
  readonly name: string
}

const relayTorrc = (folder: string, { name, v4, v6 }: Place) => [
  "TestingTorNetwork 1",
  // Nobody could test an ORPort before there is somebody to do it.
  "AssumeReachable 1",
  `DataDirectory ${folder}`,
  `Nickname ${name}`,
  "ContactInfo Patela rig <nobody@example.org>",
  `Address ${v4}`,
  `Address [${v6}]`,
  `ORPort ${v4}:${OR_PORT}`,
  `ORPort [${v6}]:${OR_PORT}`,
  `OutboundBindAddress ${v4}`,
  `OutboundBindAddress [${v6}]`,
  "SocksPort 0",
  "ExitPolicy reject *:*",
  "PathsNeededToBuildCircuits 0.25",
  "GeoIPFile /dev/null",
  "GeoIPv6File /dev/null",
  "Log notice stdout"
]

const authorityTorrc = ({ v4 }: Place) => [
  ...TIMES,
  `DirPort ${v4}:${DIR_PORT}`,
  "AuthoritativeDirectory 1",
  "V3AuthoritativeDirectory 1",
  // As those of the public network: a relay is Running where both of its ORPorts were reached, and eight share an address.
  "AuthDirHasIPv6Connectivity 1",
  "AuthDirMaxServersPerAddr 8",
  "TestingDirAuthVoteExit *",
  "TestingDirAuthVoteGuard *",
  "TestingMinExitFlagThreshold 0"
]

/** An empty torrc in place of this machine's; tor takes no device. */
const noFile = (folder: string): string => `${folder}/defaults`

/** Makes the keys of one authority; gives the line by which everybody knows it. */
const keysOf = Effect.fnUntraced(function*(namespace: Namespace, folder: string, name: string, v4: string) {
  const keys = `${folder}/keys`
  yield* Effect.sync(() => {
    mkdirSync(keys, { mode: 0o700 })
  })
  const file = (what: string) => `${keys}/authority_${what}`
  yield* namespace.execOk([
    "tor-gencert",
    "--create-identity-key",
    "--passphrase-fd",
    "0",
    "-m",
    "12",
    "-a",
    `${v4}:${DIR_PORT}`,
    "-i",
    file("identity_key"),
    "-s",
    file("signing_key"),
    "-c",
    file("certificate")
  ], { stdin: "private network\n" })
  const identity = /^fingerprint (\w+)$/m.exec(readFileSync(file("certificate"), "utf8"))?.[1]
  const said = yield* namespace.execOk([
    "tor",
    "-f",
    noFile(folder),
    "--defaults-torrc",
    noFile(folder),
    "--DataDirectory",
    folder,
    "--ORPort",
    String(OR_PORT),
    "--Nickname",
    name,
    "--quiet",
    "--list-fingerprint"
  ])
  const fingerprint = said.trim().split(" ").slice(1).join(" ")
  return `DirAuthority ${name} orport=${OR_PORT} no-v2 v3ident=${identity} ${v4}:${DIR_PORT} ${fingerprint}`
})

export const TorAuthorities = {
  /** They run one hop beyond a gateway, which passes packets on from now on. They have agreed on nothing yet. */
  make: Effect.fnUntraced(function*(gateway: Namespace) {
    const namespace = yield* Namespace.make("authorities")
    yield* Veth.make({ from: { namespace: gateway, link: "authorities" }, to: { namespace, link: "gateway" } })
    const { authorities, gatewayV4, gatewayV6, prefixV4, prefixV6, strangers } = authorityNetwork
    yield* gateway.ip([
      `address add ${gatewayV4}/${prefixV4} dev authorities`,
      `address add ${gatewayV6}/${prefixV6} dev authorities nodad`,
      "link set authorities up"
    ])
    for (const setting of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) {
      yield* gateway.execOk(["tee", `/proc/sys/net/${setting}`], { stdin: "1\n" })
    }
    yield* namespace.ip([
      ...[...authorities, ...strangers].flatMap(({ v4, v6 }) => [
        `address add ${v4}/${prefixV4} dev gateway`,
        `address add ${v6}/${prefixV6} dev gateway nodad`
      ]),
      "link set gateway up",
      `route add default via ${gatewayV4}`,
      `route add default via ${gatewayV6}`
    ])

    const home = yield* TemporaryDirectory.make("authorities")
    const named = (what: string, places: typeof authorities): ReadonlyArray<Place> =>
      places.map((place, at) => ({ ...place, name: `${what}${at + 1}` }))
    const judges = named("authority", authorities)
    const others = named("stranger", strangers)
    yield* Effect.sync(() => {
      for (const { name } of [...judges, ...others]) {
        mkdirSync(`${home}/${name}`, { mode: 0o700 })
        writeFileSync(noFile(`${home}/${name}`), "")
      }
    })
    const known = yield* Effect.forEach(
      judges,
      ({ name, v4 }) => keysOf(namespace, `${home}/${name}`, name, v4),
      { concurrency: "unbounded" }
    )
    for (const place of [...judges, ...others]) {
      const folder = `${home}/${place.name}`
      const lines = [...relayTorrc(folder, place), ...judges.includes(place) ? authorityTorrc(place) : [], ...known]
      yield* Effect.sync(() => writeFileSync(`${folder}/torrc`, `${lines.join("\n")}\n`))
      yield* namespace.start(["tor", "-f", `${folder}/torrc`, "--defaults-torrc", noFile(folder)])
    }

    const url = (address: string, what: string) => `http://${address}:${DIR_PORT}/tor/${what}`
    const observer = yield* namespace.start([
      nodeBinary,
      fileURLToPath(new URL("./consensusObserver.mjs", import.meta.url)),
      ...authorities.map(({ v4 }) => url(v4, "status-vote/current/consensus-microdesc"))
    ])
    const consensuses = Effect.map(observer.lines, (lines) => {
      const all = new Map<string, Consensus>()
      for (const { text } of lines.flatMap((line) => Option.toArray(Answer(line)))) {
        const consensus = readConsensus(text)
        all.set(consensus.validAfter, consensus)
      }
      return [...all.values()].toSorted((one, other) => one.validAfter < other.validAfter ? -1 : 1)
    })

    const families = Effect.fnUntraced(function*({ relays }: Consensus) {
      const digests = relays.map(({ microdescriptor }) => microdescriptor).join("-")
      const text = yield* namespace.execOk([
        nodeBinary,
        "--eval",
        "fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))",
        url(authorityNetwork.authorities[0]?.v4 ?? "", `micro/d/${digests}`)
      ])
      const read = readFamilies(text)
      return new Map(relays.flatMap(({ microdescriptor, nickname }) => {
        const family = read.get(microdescriptor)
        return family === undefined ? [] : [[nickname, family] as const]
      }))
    })

    const made: TorAuthorities = {
      namespace,
      torrc: [
        "TestingTorNetwork 1",
        ...known,
        "PathsNeededToBuildCircuits 0.25",
        "ServerDNSDetectHijacking 0",
        "ServerDNSTestAddresses",
        ""
      ].join("\n"),
      consensuses,
      agreed: (what, look, options) =>
        waitFor(
          what,
          Effect.map(consensuses, (all) => {
            const newest = all.at(-1)
            return newest === undefined ? instead("no consensus") : look(newest)
          }),
          { within: "3 minutes", every: "100 millis", ...options }
        ),
      families
    }
    return made
  })
}
