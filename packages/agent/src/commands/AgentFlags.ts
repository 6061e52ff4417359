import { Config, Option, Schema } from "effect"
import { Flag } from "effect/cli"

/** Where the server is: HTTPS, nothing after the port. */
export const ServerUrl = Schema.URLFromString.pipe(
  Schema.check(
    Schema.makeFilter((url: URL) =>
      (url.protocol === "https:" && url.pathname === "/" && url.search === "" && url.username === "") ||
      "the server is an address such as https://patela.example.org:8020"
    )
  )
)

const server = Flag.String("server").pipe(
  Flag.withDescription("Address of the server, https://HOST:PORT (or PATELA_SERVER)"),
  Flag.withFallbackConfig(Config.String("PATELA_SERVER")),
  Flag.withSchema(ServerUrl),
  Flag.withMetavar("URL")
)

const caCertificate = Flag.String("ca-cert").pipe(
  Flag.withDescription(
    "PEM file of the CA that signed the server's certificate (or PATELA_CA_CERT); else the system's"
  ),
  Flag.withFallbackConfig(Config.String("PATELA_CA_CERT")),
  Flag.withMetavar("FILE"),
  Flag.optional,
  Flag.map(Option.getOrUndefined)
)

/** `--tpm2`, or TPM2TOOLS_TCTI as for tpm2-tools themselves, or the kernel's resource manager. */
export const tpm = Flag.String("tpm2").pipe(
  Flag.withDescription("The TPM: a device such as /dev/tpmrm0, or a TCTI (or TPM2TOOLS_TCTI)"),
  Flag.withFallbackConfig(Config.String("TPM2TOOLS_TCTI")),
  Flag.withDefault("/dev/tpmrm0"),
  Flag.withMetavar("TPM")
)

const skipNet = Flag.Boolean("skip-net").pipe(
  Flag.withDescription("Leave addresses, routing and source-nat alone"),
  Flag.withDefault(false)
)

const skipRestore = Flag.Boolean("skip-restore").pipe(
  Flag.withDescription(
    "Do not restore identity keys from the TPM; relays that the server knows stay down without them"
  ),
  Flag.withDefault(false)
)

const relayInterface = Flag.String("relay-interface").pipe(
  Flag.withDescription(
    "The link that relays use; else the first e* link with no IPv4 address (or PATELA_RELAY_INTERFACE)"
  ),
  Flag.withFallbackConfig(Config.String("PATELA_RELAY_INTERFACE")),
  Flag.withMetavar("LINK"),
  Flag.optional,
  Flag.map(Option.getOrUndefined)
)

/** What takes a command to the server. */
export const serverFlags = { server, caCertificate, tpm }

const allowUnmeasured = Flag.Boolean("allow-unmeasured").pipe(
  Flag.withDescription(
    "Bind identity keys to the image policy although nothing is measured of the image (or PATELA_ALLOW_UNMEASURED)"
  ),
  Flag.withFallbackConfig(Config.Boolean("PATELA_ALLOW_UNMEASURED")),
  Flag.withDefault(false)
)

const hostFlags = { tpm, skipNet, skipRestore, relayInterface }

/** What `reconcile` takes. */
export const nodeFlags = { server, caCertificate, allowUnmeasured, ...hostFlags }

/** What `diff` takes: the configuration is a server's, or a file's. */
export const reviewFlags = {
  server: Flag.String("server").pipe(
    Flag.withDescription("Address of the server, https://HOST:PORT (or PATELA_SERVER)"),
    Flag.withSchema(ServerUrl),
    Flag.withMetavar("URL"),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  ),
  config: Flag.String("config").pipe(
    Flag.withDescription(
      "Review the configuration in this file, as `patela-agent config` prints it, and ask no server; - is standard input"
    ),
    Flag.withMetavar("FILE"),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  ),
  caCertificate,
  ...hostFlags
}

/** The values of `serverFlags`. */
export interface ServerOptions {
  readonly server: URL
  readonly caCertificate: string | undefined
  readonly tpm: string
}

/** The values of `nodeFlags`. */
export interface NodeOptions extends ServerOptions {
  readonly allowUnmeasured: boolean
  readonly skipNet: boolean
  readonly skipRestore: boolean
  readonly relayInterface: string | undefined
}

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print a JSON document instead of text"),
  Flag.withDefault(false)
)
