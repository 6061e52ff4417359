/** A file, a folder or a symbolic link in an archive. Paths are of the root and have no leading slash. */
export type CpioEntry =
  | { readonly type: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly type: "folder"; readonly path: string; readonly mode: number }
  | { readonly type: "link"; readonly path: string; readonly to: string }

const TYPE_BITS = { file: 0o100000, folder: 0o040000, link: 0o120000 } as const

const contentOf = (entry: CpioEntry): Uint8Array =>
  entry.type === "file" ? entry.content : entry.type === "link" ? Buffer.from(entry.to) : new Uint8Array()

const padding = (length: number): Uint8Array => new Uint8Array((4 - (length % 4)) % 4)

/** One header and what follows it; everything is root's, and of the time 0. */
const record = (inode: number, path: string, mode: number, content: Uint8Array): ReadonlyArray<Uint8Array> => {
  const name = Buffer.from(`${path}\0`)
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0]
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`)
  return [header, name, padding(header.length + name.length), content, padding(content.length)]
}

/**
 * An archive as the kernel unpacks it at boot (Documentation/driver-api/early-userspace/buffer-format.rst), not compressed.
 * Folders that are named by paths alone are made too: the kernel makes none by itself.
 */
export const cpio = (entries: ReadonlyArray<CpioEntry>): Uint8Array => {
  const named = new Set(entries.map(({ path }) => path))
  const parents = new Set(
    entries.flatMap(({ path }) => {
      const parts = path.split("/").slice(0, -1)
      return parts.map((_, index) => parts.slice(0, index + 1).join("/"))
    }).filter((path) => !named.has(path))
  )
  const all: ReadonlyArray<CpioEntry> = [
    ...[...parents].map((path) => ({ type: "folder", path, mode: 0o755 } as const)),
    ...entries
  ]
  const records = all.map((entry, index) => {
    const mode = TYPE_BITS[entry.type] | (entry.type === "link" ? 0o777 : entry.mode)
    return record(index + 1, entry.path, mode, contentOf(entry))
  })
  return Buffer.concat([...records, record(0, "TRAILER!!!", 0, new Uint8Array())].flat())
}
