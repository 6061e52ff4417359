import { Effect } from "effect"
import { closeSync, openSync, readSync, statSync, writeFileSync, writeSync } from "node:fs"
import { runOk } from "./Command.ts"
import type { Bootable } from "./VirtualFirmware.ts"

/** Of Debian's package systemd-boot-efi. */
const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"

const OS_RELEASE = "ID=patela-test\nPRETTY_NAME=\"Image of a test\"\n"

/** Sections begin at pages, as a loader maps them. */
const PAGE = 4096
const pageAfter = (address: number): number => Math.ceil(address / PAGE) * PAGE

/** Lines of `objdump --section-headers`: number, name, size, address, and more. */
const SECTION = /^\s*\d+\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)\s/gm

/** Where the stub's own sections end. */
const endOf = (headers: string): number =>
  Math.max(
    ...[...headers.matchAll(SECTION)].map(([, size = "", address = ""]) => parseInt(size, 16) + parseInt(address, 16))
  )

/** Offsets of the PE format: where its header begins, and in it the time it was made at, and the sum of the file. */
const PE_HEADER_AT = 0x3c
const TIME = 8
const CHECKSUM = 24 + 64

/** objcopy writes the time of day, which is measured with all else: the same image has to be the same again. */
const withoutTime = (image: string): void => {
  const file = openSync(image, "r+")
  const at = Buffer.alloc(4)
  readSync(file, at, 0, 4, PE_HEADER_AT)
  for (const field of [TIME, CHECKSUM]) writeSync(file, new Uint8Array(4), 0, 4, at.readUInt32LE() + field)
  closeSync(file)
}

/**
 * Makes a unified kernel image in a folder and gives its path: systemd-stub, and what it starts as sections behind it
 * (systemd-stub(7)).
 */
export const unifiedKernelImage = Effect.fnUntraced(
  function*({ commandLine, initramfs, kernel }: Bootable, folder: string) {
    const [image, release, line] = [`${folder}/image.efi`, `${folder}/os-release`, `${folder}/command-line`]
    yield* Effect.sync(() => {
      writeFileSync(release, OS_RELEASE)
      writeFileSync(line, commandLine)
    })
    let next = pageAfter(endOf(yield* runOk(["objdump", "--section-headers", STUB])))
    const sections = [[".osrel", release], [".cmdline", line], [".linux", kernel], [".initrd", initramfs]] as const
    const added = sections.flatMap(([name, file]) => {
      const at = next
      next = pageAfter(at + statSync(file).size)
      return ["--add-section", `${name}=${file}`, "--change-section-vma", `${name}=${at}`]
    })
    yield* runOk(["objcopy", ...added, STUB, image])
    yield* Effect.sync(() => withoutTime(image))
    return image
  }
)
