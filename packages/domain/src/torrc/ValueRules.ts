/** Where a layer's line is judged: whether the operator turned on a private Tor network. */
export interface LayerRules {
  readonly testNetwork: boolean
}

type Verdict = "allowed" | "managed" | { readonly refused: string }

/** Judges a value. An empty one is a cleared option: for tor that is zero, false or unset, and never the default. */
type ValueRule = (value: string, rules: LayerRules) => Verdict

const only =
  (good: ReadonlyArray<string>, reason: string, onTestNetwork: boolean): ValueRule => (value, { testNetwork }) =>
    good.includes(value.toLowerCase()) || onTestNetwork && testNetwork ? "allowed" : { refused: reason }

const SEVERITY = "debug|info|notice|warn|err"
// Domains in brackets, then a severity or a range of them (tor manual, `Log`): `[handshake,~net]notice-warn`.
const SELECTOR = new RegExp(`^(?:\\[[A-Za-z0-9_*~, ]*\\])?(?:(?:${SEVERITY})(?:-(?:${SEVERITY})?)?)?$`, "i")
const STREAM = /^(?:stdout|stderr|syslog)$/i

const logRule: ValueRule = (value, { testNetwork }) => {
  if (value === "") return "allowed"
  const words = value.replaceAll(/\[[^\]]*\]/g, (domains) => domains.replaceAll(/\s/g, "")).split(/[ \t]+/)
  const to = words.at(-1) ?? ""
  const selectors = words.slice(0, -1)
  if (!STREAM.test(to) || !selectors.every((word) => SELECTOR.test(word))) {
    return { refused: "logs go to syslog, stdout or stderr (the journal), and never to a file" }
  }
  return testNetwork || !selectors.some((word) => /(?:^|\])(?:debug|info)/i.test(word))
    ? "allowed"
    : { refused: "logs of severity debug and info tell of clients and circuits; use notice" }
}

/** Options that are taken with some values only. */
export const VALUE_RULES: ReadonlyMap<string, ValueRule> = new Map([
  ["Log", logRule],
  // tor reads anything but 1 and relay, and nothing at all, as 0.
  ["SafeLogging", only(["1", "relay"], "addresses of clients would be written to the log; use 1 or relay", false)],
  ["SocksPort", (value) => value === "0" ? "managed" : { refused: "it would open a proxy port on the relay" }],
  ["DisableDebuggerAttachment", only(["1"], "a debugger could read the relay's keys from its memory; use 1", false)],
  ["ExitPolicyRejectPrivate", only(["1"], "the relay's exits could reach the management network; use 1", true)],
  ["ExtendAllowPrivateAddresses", only(["0"], "circuits could reach into private networks; use 0", true)],
  ["DirAllowPrivateAddresses", only(["0"], "private addresses belong in a test network only; use 0", true)],
  ["ClientRejectInternalAddresses", only(["1"], "private addresses belong in a test network only; use 1", true)],
  ["ClientDNSRejectInternalAddresses", only(["1"], "private addresses belong in a test network only; use 1", true)]
])
