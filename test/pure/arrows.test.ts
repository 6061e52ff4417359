import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, relative, resolve } from "node:path"
import { repositoryRoot } from "../src/rig/Repository.ts"

/** Which package may import which: the arrows of ARCHITECTURE.md. Each may import itself. */
const ALLOWED: Readonly<Record<string, ReadonlyArray<string>>> = {
  "packages/domain": [],
  "packages/tpm": ["packages/domain"],
  "packages/server": ["packages/domain", "packages/tpm"],
  reconcilers: ["packages/domain"],
  "packages/agent": ["packages/domain", "packages/tpm", "reconcilers"]
}

const FOLDER_OF: Readonly<Record<string, string>> = {
  "@patela/domain": "packages/domain",
  "@patela/tpm": "packages/tpm",
  "@patela/server": "packages/server",
  "@patela/reconcilers": "reconcilers",
  "@patela/agent": "packages/agent"
}

/** Folders of `reconcilers/src` that are no kind, so that kinds may use them: the host's doors, and who owns what. */
const COMMON_GROUND = new Set(["host", "ledger"])

interface Import {
  readonly file: string
  readonly name: string
}

const sources = Object.keys(ALLOWED).flatMap((folder) => globSync(`${folder}/src/**/*.ts`, { cwd: repositoryRoot }))

const imports: ReadonlyArray<Import> = sources.flatMap((file) => {
  const text = readFileSync(`${repositoryRoot}/${file}`, "utf8")
  const named = [
    ...text.matchAll(/(?:^|\n)(?:import|export)[^"'`;]*?from "([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import "([^"]+)"/g)
  ]
  return named.map((match) => ({ file, name: match[1] ?? match[2] ?? match[3] ?? "" }))
})

/** The file in this repository that an import names, or undefined for a package from elsewhere. */
const target = ({ file, name }: Import): string | undefined => {
  if (name.startsWith(".")) return relative(repositoryRoot, resolve(repositoryRoot, dirname(file), name))
  const scope = Object.keys(FOLDER_OF).find((known) => name.startsWith(`${known}/`))
  return scope === undefined ? undefined : `${FOLDER_OF[scope]}/src/${name.slice(scope.length + 1)}.ts`
}

const packageOf = (file: string): string | undefined =>
  Object.keys(ALLOWED).find((folder) => file.startsWith(`${folder}/`))

const kindOf = (file: string): string | undefined => /^reconcilers\/src\/([^/]+)\//.exec(file)?.[1]

describe("the arrows", () => {
  it("sees the imports", () => {
    assert.isAbove(imports.length, 500)
    assert.isAbove(imports.filter((each) => target(each) !== undefined).length, 200)
  })

  it("every import within the repository names a file that is there", () => {
    const missing = imports.filter((each) => {
      const file = target(each)
      return file !== undefined && !existsSync(`${repositoryRoot}/${file}`)
    })
    assert.deepStrictEqual(missing, [])
  })

  it("go one way: domain <- tpm <- server, domain <- reconcilers <- agent, tpm <- agent", () => {
    const wrong = imports.filter((each) => {
      const from = packageOf(each.file)
      const to = packageOf(target(each) ?? "")
      return from !== undefined && to !== undefined && from !== to && !(ALLOWED[from] ?? []).includes(to)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("no package reaches into another by a relative path", () => {
    const wrong = imports.filter((each) =>
      each.name.startsWith(".") && packageOf(each.file) !== packageOf(target(each) ?? "")
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("no kind imports another", () => {
    const wrong = imports.filter((each) => {
      const from = kindOf(each.file)
      const to = kindOf(target(each) ?? "")
      return from !== undefined && to !== undefined && from !== to && !COMMON_GROUND.has(to)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("the domain is pure: nothing of Node, nothing of a platform", () => {
    const wrong = imports.filter(({ file, name }) =>
      file.startsWith("packages/domain/") && (name.startsWith("node:") || name.startsWith("@effect/platform"))
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("no folder is named for having no name", () => {
    const wrong = sources.filter((file) => /(?:^|\/)(?:utils?|common|shared|helpers?)(?:\/|\.ts$)/i.test(file))
    assert.deepStrictEqual(wrong, [])
  })
})
