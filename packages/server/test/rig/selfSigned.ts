import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

/** A certificate for 127.0.0.1 that signs itself, by openssl, as files in a folder. */
export const selfSigned = (folder: string) =>
  Effect.sync(() => {
    const cert = `${folder}/cert.pem`
    const key = `${folder}/key.pem`
    const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    execFileSync(
      "openssl",
      [...made.split(" "), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
      { stdio: "ignore" }
    )
    return { cert, key, pem: readFileSync(cert, "utf8") }
  })
