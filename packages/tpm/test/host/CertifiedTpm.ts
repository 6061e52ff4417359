import { Effect, FileSystem, Schema } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { X509Certificate } from "node:crypto"
import { runTool } from "../../src/transport/runTool.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

/** Where a TPM keeps the certificates between that of an endorsement key and the root (TCG EK Credential Profile 2.5, 2.2.1.5.1). */
const CHAIN_INDEX = "0x01c00100"

/** The maker did not make its TPM. */
class NotMade extends Schema.TaggedError<NotMade>()("NotMade", { message: Schema.String }) {}

/** Runs one of tpm2-tools at this address. */
export const toolAt = Effect.fnUntraced(function*(tcti: Tcti, command: string, ...args: ReadonlyArray<string>) {
  return yield* runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)(command, args)
})

/**
 * A new TPM whose maker, a CA of its own, gave it certificates for its RSA-2048 and P-384 endorsement keys (swtpm_setup and
 * swtpm_localca 0.7), none for P-256, and put its intermediate one beside them as vendors do. `root` and `issuer` are DER.
 */
export const certifiedTpm = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const state = yield* newTpmState
  const ca = yield* files.makeTempDirectoryScoped({ prefix: "swtpm-localca-" })
  const localca = ["statedir", "signingkey", "issuercert", "certserial"]
    .map((name) => `${name} = ${ca}${name === "statedir" ? "" : `/${name}`}\n`).join("")
  yield* files.writeFileString(`${ca}/localca.conf`, localca)
  yield* files.writeFileString(
    `${ca}/localca.options`,
    "--platform-manufacturer Patela\n--platform-version 1\n--platform-model test\n"
  )
  yield* files.writeFileString(
    `${ca}/setup.conf`,
    `create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = ${ca}/localca.conf\n` +
      `create_certs_tool_options = ${ca}/localca.options\n`
  )
  const args = ["--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", `${ca}/setup.conf`, "--vmid", "node"]
  const status = yield* spawner.exitCode(ChildProcess.make("swtpm_setup", args, { stdout: "ignore", stderr: "ignore" }))
  if (Number(status) !== 0) return yield* new NotMade({ message: `swtpm_setup ended with ${status}` })
  const { tcti } = yield* swtpm(state)
  const der = (name: string) =>
    Effect.map(files.readFileString(`${ca}/${name}`), (text) => new Uint8Array(new X509Certificate(text).raw))
  const issuer = yield* der("issuercert")
  yield* files.writeFile(`${ca}/issuer.der`, issuer)
  const attributes = "ppread|ppwrite|ownerread|authread|no_da|platformcreate"
  yield* toolAt(tcti, "tpm2_nvdefine", "-Q", "-C", "p", "-s", String(issuer.length), "-a", attributes, CHAIN_INDEX)
  yield* toolAt(tcti, "tpm2_nvwrite", "-Q", "-C", "p", "-i", `${ca}/issuer.der`, CHAIN_INDEX)
  return { tcti, issuer, root: yield* der("swtpm-localca-rootca-cert.pem") }
})

/** Takes a certificate out of the TPM, as of a vendor that certified fewer keys. */
export const withoutCertificate = (tcti: Tcti, index: number) =>
  toolAt(tcti, "tpm2_nvundefine", "-Q", "-C", "p", `0x${index.toString(16)}`)
