const names = (list: string): ReadonlyArray<string> => list.split(/\s+/).filter((name) => name !== "")

/**
 * Options of a relay that a layer may set to anything that tor takes: they name no path, open no port, run nothing, and
 * weaken neither the host nor the people whose traffic the relay carries.
 */
export const ALLOWED_OPTIONS: ReadonlySet<string> = new Set(names(`
  AccountingMax AccountingRule AccountingStart AddressDisableIPv6 AssumeReachable AssumeReachableIPv6 AvoidDiskWrites
  BandwidthBurst BandwidthRate BridgeDistribution BridgeRecordUsageByCountry BridgeRelay CellStatistics CircuitPadding
  CircuitPriorityHalflife ConfluxEnabled ConnDirectionStatistics ConnectionPadding ConnLimit ConstrainedSockets
  ConstrainedSockSize ContactInfo CountPrivateBandwidth DirCache DirPolicy DirReqStatistics DisableAllSwap
  DisableOOSCheck DoSCircuitCreationBurst DoSCircuitCreationDefenseTimePeriod DoSCircuitCreationDefenseType
  DoSCircuitCreationEnabled DoSCircuitCreationMinConnections DoSCircuitCreationRate DoSConnectionConnectBurst
  DoSConnectionConnectDefenseTimePeriod DoSConnectionConnectRate DoSConnectionDefenseType DoSConnectionEnabled
  DoSConnectionMaxConcurrentCount DoSRefuseSingleHopClientRendezvous DoSStreamCreationBurst DoSStreamCreationDefenseType
  DoSStreamCreationEnabled DoSStreamCreationRate DownloadExtraInfo EnforceDistinctSubnets EntryStatistics ExitPolicy
  ExitPolicyRejectLocalInterfaces ExitPortStatistics ExitRelay ExtendByEd25519ID ExtraInfoStatistics FetchDirInfoEarly
  FetchDirInfoExtraEarly FetchServerDescriptors FetchUselessDescriptors GeoIPExcludeUnknown HardwareAccel HeartbeatPeriod
  HiddenServiceStatistics IPv6Exit KeepalivePeriod KISTSchedRunInterval KISTSockBufSizeFactor LogMessageDomains
  LogTimeGranularity MainloopStats MaxAdvertisedBandwidth MaxConsensusAgeForDiffs MaxHSDirCacheBytes MaxMemInQueues
  MaxOnionQueueDelay MaxUnparseableDescSizeToLog NoExec NumCPUs OverloadStatistics PaddingStatistics
  PathsNeededToBuildCircuits PerConnBWBurst PerConnBWRate ProtocolWarnings PublishServerDescriptor ReducedCircuitPadding
  ReducedConnectionPadding ReducedExitPolicy ReevaluateExitPolicy RefuseUnknownExits RelayBandwidthBurst
  RelayBandwidthRate RephistTrackTime Sandbox Schedulers ServerDNSAllowBrokenConfig ServerDNSAllowNonRFC953Hostnames
  ServerDNSDetectHijacking ServerDNSRandomizeCase ServerDNSSearchDomains ServerDNSTestAddresses ShutdownWaitLength
  SigningKeyLifetime SSLKeyLifetime TokenBucketRefillInterval UseMicrodescriptors
`))
