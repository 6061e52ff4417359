/**
 * Every option that tor 0.4.9.11 knows, by the type that tor gives it.
 *
 * Made from that tor: the types are the answer of its control port to `GETINFO config/names`. Tor lists neither obsolete
 * names nor old spellings, so each identifier in its binary was given to `tor --verify-config` as an option, and what
 * tor then said of it was kept. For a newer tor, do the same again: the host tests compare this file with
 * `tor --list-torrc-options`, and a name that no list of verdicts has fails a pure test.
 *
 * `Dependent` options are the repeating ones whose lines tor keeps in one list, where order counts (ports, HiddenService
 * blocks). `Virtual` ones are those lists, and cannot be written in a torrc; with them stands the one option that tor
 * shows nowhere and keeps for itself.
 */
export const OPTIONS_BY_KIND = {
  "Boolean": `
    __AllDirActionsPrivate __AlwaysCongestionControl __DisablePredictedCircuits __DisableSignalHandlers
    __LeaveStreamsUnattached __ReloadTorrcOnSIGHUP __SbwsExit AddressDisableIPv6 AllowNonRFC953Hostnames
    AssumeReachable AuthDirHasIPv6Connectivity AuthDirListBadExits AuthDirListMiddleOnly AuthDirPinKeys
    AuthDirRejectRequestsUnderLoad AuthDirSharedRandomness AuthDirTestEd25519LinkKeys AuthDirTestReachability
    AuthoritativeDirectory AutomapHostsOnResolve AvoidDiskWrites BridgeAuthoritativeDir
    BridgeRecordUsageByCountry BridgeRelay CellStatistics CircuitPadding ClientDNSRejectInternalAddresses
    ClientOnly ClientRejectInternalAddresses ClientUseIPv4 ClientUseIPv6 ConnDirectionStatistics
    ConstrainedSockets ControlPortFileGroupReadable ControlSocketsGroupWritable CookieAuthentication
    CookieAuthFileGroupReadable CountPrivateBandwidth DataDirectoryGroupReadable DirAllowPrivateAddresses
    DirCache DirReqStatistics DisableAllSwap DisableDebuggerAttachment DisableNetwork DisableOOSCheck
    DormantCanceledByStartup DormantOnFirstStartup DormantTimeoutDisabledByIdleStreams DormantTimeoutEnabled
    DownloadExtraInfo EnforceDistinctSubnets EntryStatistics ExitPolicyRejectLocalInterfaces
    ExitPolicyRejectPrivate ExitPortStatistics ExtendAllowPrivateAddresses ExtORPortCookieAuthFileGroupReadable
    ExtraInfoStatistics FascistFirewall FetchDirInfoEarly FetchDirInfoExtraEarly FetchHidServDescriptors
    FetchServerDescriptors FetchUselessDescriptors HardwareAccel HiddenServiceNonAnonymousMode
    HiddenServiceSingleHopMode HiddenServiceStatistics IPv6Exit LearnCircuitBuildTimeout LogMessageDomains
    MainloopStats NoExec OfflineMasterKey OverloadStatistics PaddingStatistics ProtocolWarnings
    PublishHidServDescriptors ReconfigDropsBridgeDescs ReducedCircuitPadding ReducedConnectionPadding
    ReducedExitPolicy ReevaluateExitPolicy RunAsDaemon SafeSocks Sandbox ServerDNSAllowBrokenConfig
    ServerDNSAllowNonRFC953Hostnames ServerDNSDetectHijacking ServerDNSRandomizeCase ServerDNSSearchDomains
    StrictNodes TestingDirAuthVoteExitIsStrict TestingDirAuthVoteGuardIsStrict TestingDirAuthVoteHSDirIsStrict
    TestingEnableCellStatsEvent TestingEnableConnBwEvent TestingTorNetwork TestSocks TruncateLogFile
    UnixSocksGroupWritable UpdateBridgesFromAuthority UseBridges UseDefaultFallbackDirs UseEntryGuards
    V3AuthoritativeDirectory V3AuthUseLegacyKey VersioningAuthoritativeDirectory
  `,
  "Boolean+Auto": `
    AssumeReachableIPv6 CacheDirectoryGroupReadable ClientPreferIPv6DirPort ClientPreferIPv6ORPort
    CompiledProofOfWorkHash ConfluxEnabled ConnectionPadding DoSCircuitCreationEnabled DoSConnectionEnabled
    DoSRefuseSingleHopClientRendezvous DoSStreamCreationEnabled ExitRelay ExtendByEd25519ID GeoIPExcludeUnknown
    KeepBindCapabilities KeyDirectoryGroupReadable PathBiasDropGuards RefuseUnknownExits UseGuardFraction
    UseMicrodescriptors VanguardsLiteEnabled
  `,
  "CommaList": `
    AuthDirBadExitCCs AuthDirInvalidCCs AuthDirMiddleOnlyCCs AuthDirRejectCCs AutomapHostsSuffixes FirewallPorts
    LongLivedPorts PublishServerDescriptor RejectPlaintextPorts Schedulers ServerDNSTestAddresses TrackHostExits
    WarnPlaintextPorts
  `,
  "DataSize": `
    AccountingMax AuthDirFastGuarantee AuthDirGuardBWGuarantee BandwidthBurst BandwidthRate ConstrainedSockSize
    MaxAdvertisedBandwidth MaxHSDirCacheBytes MaxMemInQueues MaxUnparseableDescSizeToLog PerConnBWBurst
    PerConnBWRate RelayBandwidthBurst RelayBandwidthRate TestingMinExitFlagThreshold TestingMinFastFlagThreshold
  `,
  "Dependent": `
    __ControlPort __DirPort __DNSPort __ExtORPort __HTTPTunnelPort __MetricsPort __NATDPort __ORPort __SocksPort
    __TransPort ControlPort DirPort DNSPort ExtORPort HiddenServiceAllowUnknownPorts HiddenServiceDir
    HiddenServiceDirGroupReadable HiddenServiceEnableIntroDoSBurstPerSec HiddenServiceEnableIntroDoSDefense
    HiddenServiceEnableIntroDoSRatePerSec HiddenServiceExportCircuitID HiddenServiceMaxStreams
    HiddenServiceMaxStreamsCloseCircuit HiddenServiceNumIntroductionPoints HiddenServiceOnionBalanceInstance
    HiddenServicePort HiddenServicePoWDefensesEnabled HiddenServicePoWQueueBurst HiddenServicePoWQueueRate
    HiddenServiceVersion HTTPTunnelPort MetricsPort NATDPort ORPort SocksPort TransPort
  `,
  "Filename": `
    AccelDir CacheDirectory ClientOnionAuthDir ControlPortWriteToFile CookieAuthFile DataDirectory
    DirPortFrontPage ExtORPortCookieAuthFile FamilyKeyDirectory GeoIPFile GeoIPv6File GuardfractionFile
    KeyDirectory PidFile ServerDNSResolvConfFile V3BandwidthsFile
  `,
  "Float": `
    AuthDirVoteGuardBwThresholdFraction AuthDirVoteGuardGuaranteeWFU CircuitPriorityHalflife
    DirAuthorityFallbackRate KISTSockBufSizeFactor PathBiasExtremeRate PathBiasExtremeUseRate PathBiasNoticeRate
    PathBiasNoticeUseRate PathBiasWarnRate PathsNeededToBuildCircuits
  `,
  "Integer": `
    __OwningControllerFD AuthDirMaxServersPerAddr ClientBootstrapConsensusMaxInProgressTries ConnLimit
    DoSCircuitCreationBurst DoSCircuitCreationMinConnections DoSCircuitCreationRate DoSConnectionConnectBurst
    DoSConnectionConnectRate DoSConnectionMaxConcurrentCount DoSStreamCreationBurst DoSStreamCreationRate
    MaxClientCircuitsPending NumCPUs NumDirectoryGuards NumEntryGuards NumPrimaryGuards V3AuthNIntervalsValid
  `,
  "LineList": `
    __HashedControlSessionPassword Address AlternateBridgeAuthority AlternateDirAuthority AuthDirBadExit
    AuthDirInvalid AuthDirMiddleOnly AuthDirReject Bridge ClientTransportPlugin ConsensusParams ControlSocket
    DirAuthority DirPolicy ExitPolicy FallbackDir FamilyId HashedControlPassword Log MapAddress
    MetricsPortPolicy MyFamily NodeFamily OutboundBindAddress OutboundBindAddressExit OutboundBindAddressOR
    OutboundBindAddressPT ReachableAddresses ReachableDirAddresses ReachableORAddresses
    RecommendedClientVersions RecommendedServerVersions RecommendedVersions ServerTransportListenAddr
    ServerTransportOptions ServerTransportPlugin SocksPolicy
  `,
  "RouterList": `
    AuthDirVoteGuard EntryNodes ExcludeExitNodes ExcludeNodes ExitNodes HSLayer2Nodes HSLayer3Nodes MiddleNodes
    TestingDirAuthVoteExit TestingDirAuthVoteGuard TestingDirAuthVoteHSDir
  `,
  "SignedInteger": `
    DoSCircuitCreationDefenseType DoSConnectionDefenseType DoSStreamCreationDefenseType
    MinMeasuredBWsForAuthToIgnoreAdvertised PathBiasCircThreshold PathBiasScaleThreshold
    PathBiasScaleUseThreshold PathBiasUseThreshold
  `,
  "String": `
    __OwningControllerProcess AccelName AccountingRule AccountingStart BridgeDistribution BridgePassword
    ConfluxClientUX ContactInfo HTTPProxy HTTPProxyAuthenticator HTTPSProxy HTTPSProxyAuthenticator
    MinimalAcceptedServerVersion Nickname SafeLogging Socks4Proxy Socks5Proxy Socks5ProxyPassword
    Socks5ProxyUsername SyslogIdentityTag TCPProxy TransProxyType User VirtualAddrNetworkIPv4
    VirtualAddrNetworkIPv6
  `,
  "TimeInterval": `
    AuthDirVoteGuardGuaranteeTimeKnown AuthDirVoteStableGuaranteeMinUptime AuthDirVoteStableGuaranteeMTBF
    CircuitBuildTimeout CircuitsAvailableTimeout CircuitStreamTimeout
    ClientBootstrapConsensusAuthorityDownloadInitialDelay
    ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay
    ClientBootstrapConsensusFallbackDownloadInitialDelay DormantClientTimeout
    DoSCircuitCreationDefenseTimePeriod DoSConnectionConnectDefenseTimePeriod GuardLifetime HeartbeatPeriod
    KeepalivePeriod MaxCircuitDirtiness MaxConsensusAgeForDiffs MinUptimeHidServDirectoryV2 NewCircuitPeriod
    RephistTrackTime ShutdownWaitLength SigningKeyLifetime SocksTimeout SSLKeyLifetime
    TestingAuthDirTimeToLearnReachability TestingAuthKeyLifetime TestingAuthKeySlop
    TestingBridgeBootstrapDownloadInitialDelay TestingBridgeDownloadInitialDelay
    TestingClientConsensusDownloadInitialDelay TestingClientDownloadInitialDelay
    TestingClientMaxIntervalWithoutRequest TestingDirConnectionMaxStall TestingLinkCertLifetime
    TestingLinkKeySlop TestingMinTimeToReportBandwidth TestingServerConsensusDownloadInitialDelay
    TestingServerDownloadInitialDelay TestingSigningKeySlop TestingV3AuthInitialDistDelay
    TestingV3AuthInitialVoteDelay TestingV3AuthInitialVotingInterval TestingV3AuthVotingStartOffset
    TrackHostExitsExpire V3AuthDistDelay V3AuthVoteDelay V3AuthVotingInterval
  `,
  "TimeMsecInterval": `
    KISTSchedRunInterval LogTimeGranularity MaxOnionQueueDelay TokenBucketRefillInterval
  `,
  "Virtual": `
    ___UsingTestNetworkDefaults
    ControlPortLines DirPortLines DNSPortLines ExtORPortLines HiddenServiceOptions HTTPTunnelPortLines
    MetricsPortLines NATDPortLines ORPortLines SocksPortLines TransPortLines
  `
} as const

/** Names that tor still reads and then ignores with a warning. They count when it expands an abbreviation. */
export const OBSOLETE_OPTIONS = `
  __UseFilteringSSLBufferevents AllowDotExit AllowInvalidNodes AllowSingleHopCircuits AllowSingleHopExits
  AlternateHSAuthority AndroidIdentityTag AuthDirBadDir AuthDirBadDirCCs AuthDirListBadDirs
  AuthDirMaxServersPerAuthAddr AuthDirRejectUnlisted CircuitIdleTimeout ClientAutoIPv6ORPort
  ClientBootstrapConsensusAuthorityOnlyMaxDownloadTries ClientBootstrapConsensusMaxDownloadTries
  CloseHSClientCircuitsImmediatelyOnTimeout CloseHSServiceRendCircuitsImmediatelyOnTimeout
  ControlListenAddress DirListenAddress DisableIOCP DisableV2DirectoryInfo_ DNSListenAddress DynamicDHGroups
  ExcludeSingleHopRelays FallbackNetworkstatusFile FastFirstHopPK FetchV2Networkstatus Group
  HiddenServiceAuthorizeClient HidServAuth HidServDirectoryV2 MaxOnionsPending NamingAuthoritativeDirectory
  NATDListenAddress OptimisticData ORListenAddress PathBiasDisableRate PathBiasMultFactor PathBiasScaleFactor
  PathBiasUseCloseCounts PortForwarding PortForwardingHelper PredictedPortsRelevanceTime
  PreferTunneledDirConns RecommendedPackages RunTesting SchedulerHighWaterMark__ SchedulerLowWaterMark__
  SchedulerMaxFlushCells__ SocksListenAddress StrictEntryNodes StrictExitNodes Support022HiddenServices
  TestingCertMaxDownloadTries TestingConsensusMaxDownloadTries TestingDescriptorMaxDownloadTries
  TestingEnableTbEmptyEvent TestingEstimatedDescriptorPropagationTime TestingMicrodescMaxDownloadTries
  TLSECGroup Tor2webMode Tor2webRendezvousPoints TransListenAddress TunnelDirConns UseEntryGuardsAsDirGuards
  UseFilteringSSLBufferevents UseNTorHandshake UserspaceIOCPBuffers V1AuthoritativeDirectory
  V2AuthoritativeDirectory VoteOnHidServDirectoriesV2 WarnUnsafeSocks
`

/** Old spellings and what tor takes each for. */
export const OPTION_ALIASES = {
  _HSLayer2Nodes: "HSLayer2Nodes",
  _HSLayer3Nodes: "HSLayer3Nodes",
  AllowUnverifiedNodes: "AllowInvalidNodes",
  AuthDirBadDirCC: "AuthDirBadDirCCs",
  AuthDirBadExitCC: "AuthDirBadExitCCs",
  AuthDirInvalidCC: "AuthDirInvalidCCs",
  AuthDirMiddleOnlyCC: "AuthDirMiddleOnlyCCs",
  AuthDirRejectCC: "AuthDirRejectCCs",
  AutomapHostOnResolve: "AutomapHostsOnResolve",
  AutomapHostSuffixes: "AutomapHostsSuffixes",
  BandwidthBurstBytes: "BandwidthBurst",
  BandwidthRateBytes: "BandwidthRate",
  BridgeAuthoritativeDirectory: "BridgeAuthoritativeDir",
  ClientBootstrapConsensusAuthorityDownloadSchedule: "ClientBootstrapConsensusAuthorityDownloadInitialDelay",
  ClientBootstrapConsensusAuthorityOnlyDownloadSchedule: "ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay",
  ClientBootstrapConsensusFallbackDownloadSchedule: "ClientBootstrapConsensusFallbackDownloadInitialDelay",
  DirBindAddress: "DirListenAddress",
  DirServer: "DirAuthority",
  EntryNode: "EntryNodes",
  ExcludeNode: "ExcludeNodes",
  FirewallPort: "FirewallPorts",
  LongLivedPort: "LongLivedPorts",
  MaxConn: "ConnLimit",
  MaxMemInCellQueues: "MaxMemInQueues",
  NumCPU: "NumCPUs",
  NumEntryNodes: "NumEntryGuards",
  NumHelperNodes: "NumEntryGuards",
  ORBindAddress: "ORListenAddress",
  PreferTunnelledDirConns: "PreferTunneledDirConns",
  RecommendedPackage: "RecommendedPackages",
  ResolvConf: "ServerDNSResolvConfFile",
  SearchDomains: "ServerDNSSearchDomains",
  ServerDNSAllowBrokenResolvConf: "ServerDNSAllowBrokenConfig",
  SocksBindAddress: "SocksListenAddress",
  SocksSocketsGroupWritable: "UnixSocksGroupWritable",
  StrictEntryNode: "StrictEntryNodes",
  StrictExitNode: "StrictExitNodes",
  StrictNode: "StrictNodes",
  TestingBridgeBootstrapDownloadSchedule: "TestingBridgeBootstrapDownloadInitialDelay",
  TestingBridgeDownloadSchedule: "TestingBridgeDownloadInitialDelay",
  TestingClientConsensusDownloadSchedule: "TestingClientConsensusDownloadInitialDelay",
  TestingClientDownloadSchedule: "TestingClientDownloadInitialDelay",
  TestingServerConsensusDownloadSchedule: "TestingServerConsensusDownloadInitialDelay",
  TestingServerDownloadSchedule: "TestingServerDownloadInitialDelay",
  UseEntryNodes: "UseEntryGuards",
  UseHelperNodes: "UseEntryGuards",
  VirtualAddrNetwork: "VirtualAddrNetworkIPv4"
} as const
