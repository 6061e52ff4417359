import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Ed25519Fingerprint, type Fingerprints, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Schema } from "effect"
import { createHash } from "node:crypto"
import { SealedText } from "../../packages/server/test/rig/SealedAnswer.ts"
import type { SoftwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { type At, NodeClient } from "./NodeClient.ts"
import type { Tally } from "./Tally.ts"

/** How many relays the hardware of a played node carries. */
export const RELAYS_OF_EACH = 3

const SPECS: HardwareSpecs = {
  n_cpus: RELAYS_OF_EACH,
  memory: 16 * 1024 ** 3,
  cpu_name: "Played 3000",
  hostname: "played",
  kernel: "6.1.0",
  agent_version: "0.1.0"
}

/** How often a configuration that changes while it is read is read, as by the agent (`configReader`). */
const READINGS = 3

const decodeSealed = Schema.decodeSync(SealedText)
const decodeNode = Schema.decodeSync(Schema.fromJsonString(ResolvedNode))
const decodeRelays = Schema.decodeSync(Schema.fromJsonString(Schema.Array(ResolvedRelay)))

/** Such as a relay of this name would have, the same each time. */
const fingerprintsOf = (name: RelayName): Fingerprints => ({
  rsa: RsaFingerprint.make(createHash("sha1").update(name).digest("hex").toUpperCase()),
  ed25519: Ed25519Fingerprint.make(createHash("sha256").update(name).digest("base64").replace(/=$/, ""))
})

/** A resource as it was last sent. */
interface Kept<A> {
  readonly body: A
  readonly etag: string
}

/**
 * A node as far as the server sees it, with keys that were made before. It asks what the agent asks, in that order, and
 * decodes it as the agent does: session/Authentication, session/configReader, pass/Report and watch/ConfigFollower.
 */
export class PlayedNode {
  readonly #client: NodeClient
  readonly #tpm: SoftwareTpm
  #token = ""
  #node: Kept<ResolvedNode> | undefined
  #relays: Kept<ReadonlyArray<ResolvedRelay>> | undefined
  #reported: number | undefined
  /** What is done at an event. */
  heard: (generation: number) => Promise<void> | void = () => this.follows()

  constructor(at: At, tpm: SoftwareTpm, tally: Tally) {
    this.#client = new NodeClient(at, tally)
    this.#tpm = tpm
  }

  get relays(): ReadonlyArray<ResolvedRelay> {
    return this.#relays?.body ?? []
  }

  get generation(): number {
    return this.#node?.body.generation ?? -1
  }

  /** All that a node does from its start to being at its configuration, with a stream of events that said so. */
  async boot(): Promise<void> {
    await this.authenticate()
    await this.read()
    await this.report()
    await this.follow()
  }

  async authenticate(): Promise<void> {
    const { request } = this.#tpm
    const { text } = await this.#client.ask({ what: "auth", path: "/public/auth", body: request }, [200, 201])
    this.#token = this.#tpm.open(decodeSealed(text))
    await this.#ask("specs", "/private/specs", [200], { body: SPECS })
  }

  /** The configuration, by both of its halves. */
  async read(): Promise<void> {
    await this.#readNode()
    let changed = await this.#readRelays()
    for (let reading = 1; changed && reading < READINGS; reading++) {
      if (!(await this.#readNode())) break
      changed = await this.#readRelays()
    }
  }

  async report(): Promise<void> {
    const report: NodeReport = {
      generation: this.generation,
      rolled_back: null,
      tor_version: "0.4.9.11",
      relays: this.relays.map(({ name }) => ({ name, fingerprint: fingerprintsOf(name), blocked: null }))
    }
    await this.#ask("report", "/private/report", [204], { body: report })
    this.#reported = this.generation
  }

  /** What an agent does at each event: it reads, and reports where it was brought to something newer. */
  async follows(): Promise<void> {
    await this.read()
    if (this.#reported !== this.generation) await this.report()
  }

  /** Opens its stream of events, and has done what there is to do at the first of them, the generation of now. */
  follow(): Promise<void> {
    return new Promise((resolve, reject) => {
      let before: Promise<void> = Promise.resolve()
      const heard = (generation: number) => {
        // One after the other, as the agent does.
        before = before.then(() => this.heard(generation)).then(resolve, reject)
      }
      this.#client.events(this.#token, heard).catch(reject)
    })
  }

  close(): void {
    this.#client.close()
  }

  #ask(
    what: string,
    path: string,
    statuses: ReadonlyArray<number>,
    more: { readonly body?: unknown; readonly etag?: string }
  ) {
    return this.#client.ask({ what, path, token: this.#token, ...more }, statuses)
  }

  /** Whether it is another than before. */
  async #readNode(): Promise<boolean> {
    const said = await this.#ask("node", "/private/config/resolved/node", [200, 304], etagged(this.#node))
    if (said.status === 304) return false
    this.#node = { body: decodeNode(said.text), etag: said.etag ?? "" }
    return true
  }

  async #readRelays(): Promise<boolean> {
    const said = await this.#ask("relays", "/private/config/node", [200, 304], etagged(this.#relays))
    if (said.status === 304) return false
    this.#relays = { body: decodeRelays(said.text), etag: said.etag ?? "" }
    return true
  }
}

const etagged = (kept: Kept<unknown> | undefined) => kept === undefined ? {} : { etag: kept.etag }
