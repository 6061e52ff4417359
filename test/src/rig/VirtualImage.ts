import { Effect, Schema } from "effect"
import { existsSync } from "node:fs"
import { runOk } from "./Command.ts"
import { repositoryRoot } from "./Repository.ts"

/** The kernel and the root of virtual nodes have not been made on this machine, or what they are made of has changed since. */
export class VirtualImageMissing extends Schema.TaggedError<VirtualImageMissing>()("VirtualImageMissing", {
  path: Schema.String
}) {
  override get message() {
    return `There is no kernel for virtual nodes at ${this.path}. Run scripts/setup.sh as root, which makes it.`
  }
}

/** What a virtual machine is booted with, before anything of a test is put in: paths of files. */
export interface VirtualImage {
  readonly kernel: string
  /** The nodes' Debian root and the kernel's modules: a compressed archive, whose length another may be put behind. */
  readonly root: string
}

export const VirtualImage = {
  /** Finds what scripts/setup.sh makes. It is never written. */
  find: Effect.gen(function*() {
    const path = (yield* runOk([`${repositoryRoot}/scripts/setup.sh`, "virtual-path"])).trim()
    if (!existsSync(path)) return yield* new VirtualImageMissing({ path })
    const image: VirtualImage = { kernel: `${path}/vmlinuz`, root: `${path}/root.cpio.zst` }
    return image
  })
}
