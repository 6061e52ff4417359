import { Effect } from "effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** Folders and files of an instance, beneath a root. */
export const ETC = "etc/tor/instances"
export const UNITS = "run/systemd/system"
export const STATE = "var/lib/tor-instances"
export const ED25519 = "ed25519_master_id_secret_key"
export const FAMILY = "patela-00000000.secret_family_key"

/** A host with one instance, as far as files go. */
export const hostRoot = Effect.acquireRelease(
  Effect.sync(() => {
    const root = fs.mkdtempSync(join(tmpdir(), "patela-watch-"))
    put(
      root,
      "etc/passwd",
      "etc/group",
      "etc/patela/resolv.conf",
      `${ETC}/toma/torrc`,
      `${UNITS}/tor@toma.service.d/patela.conf`
    )
    put(root, ...[ED25519, FAMILY, "secret_id_key", "secret_onion_key"].map((name) => `${STATE}/toma/keys/${name}`))
    return root
  }),
  (root) => Effect.sync(() => fs.rmSync(root, { recursive: true, force: true }))
)

/** Files with something in them. */
export function put(root: string, ...files: ReadonlyArray<string>) {
  for (const file of files) {
    fs.mkdirSync(dirname(join(root, file)), { recursive: true })
    fs.writeFileSync(join(root, file), "before")
  }
}

/** As most programs write: beside its place, and renamed. */
export const replace = (path: string) => {
  fs.writeFileSync(join(dirname(path), ".temporary"), `${Math.random()}`)
  fs.renameSync(join(dirname(path), ".temporary"), path)
}
