import type { FloodRequest } from "../../packages/server/test/rig/httpsFlood.ts"

/** A request that the server takes as it is: its body is JSON where it has one. */
export interface Template {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: unknown
  readonly token?: string
}

/** Whole numbers below a bound. */
type Pick = (bound: number) => number

const oneOf = <A>(pick: Pick, values: readonly [A, ...ReadonlyArray<A>]): A => values[pick(values.length)] ?? values[0]

/** Texts that mean something to SQL, to shells, to terminals, to JSON, to HTML, and to whoever counts characters. */
const TEXTS = [
  "",
  "'",
  "''; DROP TABLE nodes; --",
  "1' OR '1'='1",
  "\" OR 1=1 --",
  "'; UPDATE nodes SET enabled = 1; --",
  "\\'); DELETE FROM audit; --",
  "%_\\!$1 ? :name @p",
  "${7*7}{{7*7}}$(id)`id`",
  "../../../../etc/passwd",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udc00\ud800",
  "\u202e\u2066\u200b\ufeff",
  "\u001b[2J\u001b]0;x\u0007",
  "\r\nX-Injected: 1\r\n\r\n",
  "\u{1f9c0}".repeat(50),
  "e\u0301".repeat(100),
  "\uff07\u2019\u02bc",
  "<script>alert(1)</script>",
  "__proto__",
  "null",
  "NaN",
  "x".repeat(3000),
  "0".repeat(5000)
] as const

const NUMBERS = [0, -1, 1, 1.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 53 + 2, -(2 ** 63), 65_537, 1e-320] as const

const nested = (depth: number): unknown => {
  let value: unknown = "x"
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

const nasty = (pick: Pick): unknown => {
  switch (pick(6)) {
    case 0:
      return oneOf(pick, NUMBERS)
    case 1:
      return oneOf(pick, [null, true, false, [], {}])
    case 2:
      return nested(pick(400))
    case 3:
      return Array.from({ length: pick(600) }, () => oneOf(pick, TEXTS))
    default:
      return oneOf(pick, TEXTS)
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The value with one thing in it, at any depth, made into another. */
const altered = (pick: Pick, value: unknown): unknown => {
  if (Array.isArray(value) && value.length > 0 && pick(4) > 0) {
    const at = pick(value.length)
    return value.map((part: unknown, index) => index === at ? altered(pick, part) : part)
  }
  if (!isRecord(value)) {
    return typeof value === "string" && pick(2) === 0 ? value + oneOf(pick, TEXTS) : nasty(pick)
  }
  const keys = Object.keys(value)
  const key = keys[pick(Math.max(1, keys.length))] ?? "x"
  switch (pick(6)) {
    case 0:
      return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
    case 1:
      return { ...value, [oneOf(pick, TEXTS)]: nasty(pick) }
    case 2:
      return nasty(pick)
    default:
      return { ...value, [key]: altered(pick, value[key]) }
  }
}

/** The text with some of its characters taken away, doubled or replaced. */
const garbled = (pick: Pick, text: string): string => {
  const at = pick(Math.max(1, text.length))
  switch (pick(4)) {
    case 0:
      return text.slice(0, at)
    case 1:
      return text.slice(0, at) + oneOf(pick, TEXTS) + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + pick(20))
    default:
      return text + text.slice(at)
  }
}

/** What a header's value may have (RFC 9110, section 5.5): Node's client sends no other. */
const headerText = (text: string): string => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?")

const QUERIES = [
  "?",
  "?id=1",
  "?a=%00",
  "?x='%3B--",
  "?a[]=1&a[]=2",
  `?${"a=b&".repeat(500)}`,
  "#x",
  "?__proto__=1"
] as const

const TYPES = [
  "application/json; charset=utf-16",
  "text/plain",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "application/json, text/html",
  "",
  ";"
] as const

/** A request that is somehow other than the template's. */
export const mutatedRequest = (template: Template, pick: Pick): FloodRequest => {
  const body = template.body === undefined ? undefined : JSON.stringify(template.body)
  const base = {
    method: template.method,
    path: template.path,
    ...body === undefined ? {} : { body },
    ...template.token === undefined ? {} : { token: template.token }
  }
  switch (pick(10)) {
    case 0:
      return { ...base, path: template.path + oneOf(pick, QUERIES) }
    case 1:
      return { ...base, method: oneOf(pick, ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "GET", "POST"]) }
    case 2:
      return { ...base, headers: { "content-type": oneOf(pick, TYPES) } }
    case 3:
      return { ...base, headers: { "if-none-match": headerText(oneOf(pick, TEXTS)) } }
    case 4:
      return template.token === undefined ? base : { ...base, token: headerText(garbled(pick, template.token)) }
    case 5:
      return {
        ...base,
        path: `${template.path}/${encodeURIComponent(oneOf(pick, TEXTS).toWellFormed())}`.slice(0, 8000)
      }
    case 6:
      return body === undefined ? { ...base, body: garbled(pick, "{\"a\":1}") } : { ...base, body: garbled(pick, body) }
    default:
      return { ...base, body: JSON.stringify(altered(pick, template.body ?? {})) ?? "" }
  }
}
