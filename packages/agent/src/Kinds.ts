import type { Kind } from "@patela/domain/reconciler/Kind"
import { Accounts } from "@patela/reconcilers/accounts/Accounts"
import { Addresses } from "@patela/reconcilers/addresses/Addresses"
import { Directories } from "@patela/reconcilers/directories/Directories"
import { DropIns } from "@patela/reconcilers/drop-ins/DropIns"
import { MemoryLimits } from "@patela/reconcilers/drop-ins/MemoryLimits"
import { FamilyKeys } from "@patela/reconcilers/identity/FamilyKeys"
import { Identities } from "@patela/reconcilers/identity/Identities"
import { SavedIdentities } from "@patela/reconcilers/identity/SavedIdentities"
import { ConntrackSettings } from "@patela/reconcilers/kernel-settings/ConntrackSettings"
import { KernelSettings } from "@patela/reconcilers/kernel-settings/KernelSettings"
import { LinkSettings } from "@patela/reconcilers/kernel-settings/LinkSettings"
import { Resolver } from "@patela/reconcilers/resolver/Resolver"
import { Routing } from "@patela/reconcilers/routing/Routing"
import { SourceNat } from "@patela/reconcilers/source-nat/SourceNat"
import { Torrcs } from "@patela/reconcilers/torrc/Torrcs"
import { Units } from "@patela/reconcilers/units/Units"

const beforeNetwork = [
  KernelSettings,
  Accounts,
  Directories,
  Identities,
  FamilyKeys,
  Resolver,
  Torrcs,
  DropIns
] as const
const network = [LinkSettings, Addresses, Routing, SourceNat, ConntrackSettings] as const
const afterNetwork = [Units, MemoryLimits, SavedIdentities] as const

type Every = (typeof beforeNetwork | typeof network | typeof afterNetwork)[number]
type ReadOf<K> = K extends Kind<infer Read, infer _Write> ? Read : never
type WriteOf<K> = K extends Kind<infer _Read, infer Write> ? Write : never

/** What looking at a host takes, all kinds together. */
export type Readers = ReadOf<Every>
/** What changing it takes. */
export type Writers = WriteOf<Every>

/**
 * Every kind, in the order in which things are made; they are removed in the reverse. Without the network kinds,
 * whatever needs an address or a route goes ahead without: the host's own network is the operator's then.
 */
export const kindsFor = ({ skipNet }: { readonly skipNet: boolean }): ReadonlyArray<Kind<Readers, Writers>> =>
  skipNet ? [...beforeNetwork, ...afterNetwork] : [...beforeNetwork, ...network, ...afterNetwork]
