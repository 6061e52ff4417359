import { Layer } from "effect"
import { AllocationSettings } from "../allocate/AllocationSettings.ts"
import { Holdings } from "../allocate/Holdings.ts"
import { PoolAdministration } from "../allocate/PoolAdministration.ts"
import { Pools } from "../allocate/Pools.ts"
import { Audit } from "../audit/Audit.ts"
import { BootPolicy } from "../boot/BootPolicy.ts"
import { ShownBoots } from "../boot/ShownBoots.ts"
import { Family } from "../family/Family.ts"
import { FamilyAdministration } from "../family/FamilyAdministration.ts"
import { FamilyKeys } from "../family/FamilyKeys.ts"
import { FamilySwitches } from "../family/FamilySwitches.ts"
import { Generation } from "../generation/Generation.ts"
import { Administration } from "../nodes/Administration.ts"
import { NodeRemoval } from "../nodes/NodeRemoval.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Departure } from "../relays/Departure.ts"
import { Quarantine } from "../relays/Quarantine.ts"
import { RelayAdministration } from "../relays/RelayAdministration.ts"
import { RelayMove } from "../relays/RelayMove.ts"
import { RelayRename } from "../relays/RelayRename.ts"
import { Relays } from "../relays/Relays.ts"
import { RemovedRelays } from "../relays/RemovedRelays.ts"
import { Held } from "../rollout/Held.ts"
import { Rollout } from "../rollout/Rollout.ts"
import { FleetSettings } from "../settings/FleetSettings.ts"
import { ImageApproval } from "../settings/ImageApproval.ts"
import { NetworkAdministration } from "../settings/NetworkAdministration.ts"
import { Settings } from "../settings/Settings.ts"
import { Telling } from "../settings/Telling.ts"
import * as Store from "../store/Store.ts"
import { TorrcLayers } from "../torrc/TorrcLayers.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"

const repositories = Layer.mergeAll(
  Nodes.layer,
  Relays.layer,
  RemovedRelays.layer,
  Pools.layer,
  Settings.layer,
  Audit.layer,
  FamilyKeys.layer,
  FamilySwitches.layer,
  Generation.layer,
  Held.layer,
  ShownBoots.layer,
  Layer.provideMerge(Quarantine.layer, AllocationSettings.layer)
)

/** The repositories and what people decide through them, over whatever database is provided. */
export const StoreServicesNoDatabase = Layer.mergeAll(
  BootPolicy.layer,
  FamilyAdministration.layer,
  TorrcLayers.layer,
  ImageApproval.layer,
  NetworkAdministration.layer,
  NodeRemoval.layer,
  PoolAdministration.layer,
  RelayAdministration.layer,
  RelayMove.layer,
  RelayRename.layer,
  Rollout.layer,
  TrustPolicy.layer
).pipe(
  Layer.provideMerge(Telling.layer),
  Layer.provideMerge(Layer.mergeAll(Departure.layer, Family.layer, Holdings.layer)),
  Layer.provideMerge(FleetSettings.layer),
  Layer.provideMerge(Administration.layer),
  Layer.provideMerge(repositories)
)

/** The same over the database that DATABASE_URL names. */
export const StoreServices = Layer.provideMerge(StoreServicesNoDatabase, Store.layer)
