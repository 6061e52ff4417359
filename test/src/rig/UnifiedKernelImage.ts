import { Effect } from "effect"
import { statSync, writeFileSync } from "node:fs"
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
    return image
  }
)
