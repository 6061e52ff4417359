/** The part of the WebAssembly JavaScript API that is used here; TypeScript has it only together with the browser's API. */
declare namespace WebAssembly {
  class Memory {
    private constructor()
    readonly buffer: ArrayBuffer
    /** In pages of 64 KiB. */
    grow(pages: number): number
  }
  class Module {
    private constructor()
    static imports(module: Module): ReadonlyArray<{ readonly module: string; readonly name: string }>
  }
  type Exports = Readonly<Record<string, unknown>>
  type Imports = Record<string, Record<string, unknown>>
  class Instance {
    constructor(module: Module, imports: Imports)
    readonly exports: Exports
  }
  function compile(bytes: Uint8Array): Promise<Module>
}
