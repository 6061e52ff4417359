import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"

const pick = <A extends string>(values: ReadonlyArray<A>) => Arbitrary.schema(Schema.Literals(values))

// Values that tor takes, so that what is compared is the meaning of lines and not of values.
const VALUES: Readonly<Record<string, ReadonlyArray<string>>> = {
  NumCPUs: ["1", "2", "3"],
  ExitRelay: ["0", "1", "auto"],
  BandwidthRate: ["5 MB", "200 KBytes", "\"7 MB\""],
  HeartbeatPeriod: ["1 hour", "90 minutes", ""],
  FirewallPorts: ["80", "80,443"],
  ExitPolicy: ["accept *:80", "reject *:25", "\"reject 192.0.2.0/24:*\"", "reject6 *:*", ""],
  EntryNodes: ["{de}", "{fr},{it}"],
  Log: ["notice stdout", "[net]info-err syslog", "warn stderr"],
  MyFamily: [`$${"A".repeat(40)}`, `$${"B".repeat(40)},$${"C".repeat(40)}`],
  MetricsPort: ["127.0.0.1:10003", "127.0.0.1:10004"],
  ServerDNSTestAddresses: ["example.com,example.org", ""]
}

const spelling = (name: string) =>
  pick([name, name.toLowerCase(), name.toUpperCase(), name.slice(0, -1), `+${name}`, `/${name}`])

const anyLine = Arbitrary.flatMap(pick(Object.keys(VALUES)), (name) =>
  Arbitrary.map(
    Arbitrary.all({
      key: spelling(name),
      gap: pick([" ", "\t", "  ", " \\\n", "\\\n"]),
      value: pick(VALUES[name] ?? []),
      end: pick(["\n", " # c\n", "\r\n", " \n\n# c\n"])
    }),
    // Neither a quoted value nor an empty one can follow a continued line, and a comment there does not end the value.
    ({ key, gap, value, end }) => {
      if (!gap.includes("\n")) return `${key}${gap}${value}${end}`
      return `${key}${value === "" || value.startsWith("\"") ? " " : gap}${value}\n`
    }
  ))

const anyContact = Arbitrary.map(
  Arbitrary.array(
    pick(["a", " ", "\t", "#", "\"", "\\", "\\\n", "\n", "\\n", "\\x41", "\\303\\251", "é", "NumCPUs 2", "\r\n"]),
    {
      maxLength: 10
    }
  ),
  (pieces) => `ContactInfo ${pieces.join("")}\n`
)

/** Texts in which every trap of the syntax turns up; tor takes about half of them. */
export const anyTorText: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.all([Arbitrary.array(anyLine, { maxLength: 8 }), anyContact, Arbitrary.array(anyLine, { maxLength: 4 })]),
  ([before, contact, after]) => [...before, contact, ...after].join("")
)

/** Texts of layers, which tor takes. */
export const anyLayerText: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.array(anyLine, { maxLength: 10 }),
  (lines) => lines.join("")
)
