/**
 * Stands for `Intl.Segmenter` in the agent's bundle: effect's command line makes one when it is loaded, to lay out help, and
 * the first one of a process takes 9 ms. This one is made when a text is to be divided.
 */
class LaterSegmenter {
  readonly #options: ConstructorParameters<typeof Intl.Segmenter>
  #made: Intl.Segmenter | undefined

  constructor(...options: ConstructorParameters<typeof Intl.Segmenter>) {
    this.#options = options
  }

  segment(text: string): Intl.Segments {
    // By this name esbuild does not find it.
    this.#made ??= new globalThis.Intl["Segmenter"](...this.#options)
    return this.#made.segment(text)
  }
}

export { LaterSegmenter as "Intl.Segmenter" }
