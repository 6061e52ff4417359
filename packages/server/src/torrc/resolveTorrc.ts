import { checkLayerText } from "@patela/domain/torrc/checkLayer"
import { mergeTorrcs, type TracedLine, traceMerge } from "@patela/domain/torrc/merge"
import { renderTorrc } from "@patela/domain/torrc/render"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import { Result } from "effect"

/** The layers of one relay as text, the lowest first: default, node, relay. */
export interface LayerTexts {
  readonly global: string
  readonly node: string
  readonly relay: string
}

/** Reads the text of a layer as what may be used of it. */
export type LayerReader = (text: string) => Torrc

/**
 * What may be used of layers. Each was checked when it was imported, and is again, for the test network may have been
 * turned off since, and the rules of this version may be stricter than those of the one that took it. It remembers what it
 * has read, for most relays share their layers: keep it no longer than a step that is about many.
 */
export const layerReader = (testNetwork: boolean): LayerReader => {
  const known = new Map<string, Torrc>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const read = Result.getOrElse(
      Result.map(checkLayerText(text, { testNetwork }), ({ accepted }) => accepted),
      () => []
    )
    known.set(text, read)
    return read
  }
}

const layersOf = ({ global, node, relay }: LayerTexts, read: LayerReader): ReadonlyArray<Torrc> =>
  [global, node, relay].map(read)

/** What the layers mean together, without what Patela manages or refuses. */
export const mergedLayers = (texts: LayerTexts, read: LayerReader): Torrc => mergeTorrcs(layersOf(texts, read))

/** The same, each line with the layer that it is from: 0 default, 1 node, 2 relay. */
export const tracedLayers = (texts: LayerTexts, read: LayerReader): ReadonlyArray<TracedLine> =>
  traceMerge(layersOf(texts, read))

/** The same in canonical form, as a node is told it. */
export const resolveTorrc = (texts: LayerTexts, read: LayerReader): string => renderTorrc(mergedLayers(texts, read))
