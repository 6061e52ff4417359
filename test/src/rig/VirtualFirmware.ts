import { Effect } from "effect"
import { copyFileSync } from "node:fs"
import { zstdCompressSync } from "node:zlib"
import type { CommandFailed, CommandFault } from "./Command.ts"
import { unifiedKernelImage } from "./UnifiedKernelImage.ts"

/** What a virtual machine is to start: paths of files, and a command line for the kernel. */
export interface Bootable {
  readonly kernel: string
  readonly initramfs: string
  readonly commandLine: string
}

/** How a virtual machine comes from power to a kernel. `folder` is of one machine, and outlives its power. */
export interface VirtualFirmware {
  /** The one bank of PCRs that is active; all, unless told. */
  readonly onlyBank?: "sha256"
  /** What becomes of a test's own archive before it is put behind the root's. */
  readonly pack: (archive: Uint8Array) => Uint8Array
  /** Arguments of QEMU, with what the firmware keeps beyond the power. */
  readonly make: (folder: string) => Effect.Effect<ReadonlyArray<string>>
  /** Arguments of QEMU that have it start this. */
  readonly start: (
    bootable: Bootable,
    folder: string
  ) => Effect.Effect<ReadonlyArray<string>, CommandFailed | CommandFault>
}

/** SeaBIOS, which QEMU has by itself. It measures nothing of what QEMU hands over. */
export const seaBios: VirtualFirmware = {
  pack: (archive) => archive,
  make: () => Effect.succeed([]),
  start: ({ commandLine, initramfs, kernel }) =>
    Effect.succeed(["-kernel", kernel, "-initrd", initramfs, "-append", commandLine])
}

/** OVMF, of Debian's package. */
const OVMF = "/usr/share/OVMF"

const flash = (unit: number, file: string, access: "on" | "off"): ReadonlyArray<string> => [
  "-drive",
  `if=pflash,format=raw,unit=${unit},readonly=${access},file=${file}`
]

/**
 * A firmware of UEFI, which starts a unified kernel image and measures it; systemd-stub in it measures on. Secure Boot is
 * off. An image is hashed three times for each bank (by the firmware, the stub and the kernel's own), and an emulated
 * processor hashes some 15 MB a second.
 */
export const uefi: VirtualFirmware = {
  onlyBank: "sha256",
  pack: (archive) => zstdCompressSync(archive),
  make: (folder) =>
    Effect.sync(() => {
      copyFileSync(`${OVMF}/OVMF_VARS_4M.fd`, `${folder}/variables.fd`)
      return [...flash(0, `${OVMF}/OVMF_CODE_4M.fd`, "on"), ...flash(1, `${folder}/variables.fd`, "off")]
    }),
  // What QEMU has as a kernel, OVMF starts like any other application of UEFI.
  start: (bootable, folder) => Effect.map(unifiedKernelImage(bootable, folder), (image) => ["-kernel", image])
}
