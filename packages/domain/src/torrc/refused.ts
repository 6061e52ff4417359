const names = (list: string): ReadonlyArray<string> => list.split(/\s+/).filter((name) => name !== "")

const group = (reason: string, list: string): ReadonlyArray<readonly [string, string]> =>
  names(list).map((name) => [name, reason] as const)

/** Options that no layer may write, whatever the value, with the reason: what the line would do, or why it is idle. */
export const REFUSED_OPTIONS: ReadonlyMap<string, string> = new Map([
  ...group(
    "it would run a program or load code of the configuration's choosing",
    "ClientTransportPlugin ServerTransportPlugin ServerTransportListenAddr ServerTransportOptions AccelDir AccelName"
  ),
  ...group(
    "it would read or write a path of the configuration's choosing",
    `CacheDirectory ClientOnionAuthDir ControlPortWriteToFile CookieAuthFile DataDirectory DirPortFrontPage
     ExtORPortCookieAuthFile FamilyKeyDirectory GuardfractionFile HiddenServiceDir KeyDirectory PidFile TruncateLogFile
     V3BandwidthsFile`
  ),
  ...group(
    "it would let other users of the host read the relay's files",
    `CacheDirectoryGroupReadable ControlPortFileGroupReadable CookieAuthFileGroupReadable DataDirectoryGroupReadable
     ExtORPortCookieAuthFileGroupReadable HiddenServiceDirGroupReadable KeyDirectoryGroupReadable`
  ),
  ...group(
    "it would open, or change the lock of, a control port, with which a relay can be made to do anything",
    `ControlPort ControlSocket ControlSocketsGroupWritable CookieAuthentication HashedControlPassword`
  ),
  ...group("the relay would leave its own user or keep its rights", "User KeepBindCapabilities"),
  ...group("the relay's process belongs to its systemd unit", "RunAsDaemon SyslogIdentityTag DisableNetwork"),
  ...group("the relay's identity keys are Patela's", "OfflineMasterKey"),
  ...group(
    "it would open a proxy port on the relay",
    `DNSPort ExtORPort HTTPTunnelPort NATDPort SocksPolicy TransPort TransProxyType UnixSocksGroupWritable`
  ),
  ...group(
    "the relay's traffic would leave through another host",
    `HTTPProxy HTTPProxyAuthenticator HTTPSProxy HTTPSProxyAuthenticator Socks4Proxy Socks5Proxy Socks5ProxyPassword
     Socks5ProxyUsername TCPProxy`
  ),
  ...group(
    "it is tor's own, for programs that drive tor and not for a torrc",
    `__AllDirActionsPrivate __AlwaysCongestionControl __ControlPort __DirPort __DisablePredictedCircuits
     __DisableSignalHandlers __DNSPort __ExtORPort __HashedControlSessionPassword __HTTPTunnelPort __LeaveStreamsUnattached
     __MetricsPort __NATDPort __ORPort __OwningControllerFD __OwningControllerProcess __ReloadTorrcOnSIGHUP __SbwsExit
     __SocksPort __TransPort`
  ),
  ...group(
    "Patela's relays serve no onion services",
    `CompiledProofOfWorkHash FetchHidServDescriptors HiddenServiceAllowUnknownPorts
     HiddenServiceEnableIntroDoSBurstPerSec HiddenServiceEnableIntroDoSDefense HiddenServiceEnableIntroDoSRatePerSec
     HiddenServiceExportCircuitID HiddenServiceMaxStreams HiddenServiceMaxStreamsCloseCircuit
     HiddenServiceNonAnonymousMode HiddenServiceNumIntroductionPoints HiddenServiceOnionBalanceInstance HiddenServicePort
     HiddenServicePoWDefensesEnabled HiddenServicePoWQueueBurst HiddenServicePoWQueueRate HiddenServiceSingleHopMode
     HiddenServiceVersion HSLayer2Nodes HSLayer3Nodes PublishHidServDescriptors VanguardsLiteEnabled`
  ),
  ...group(
    "a bridge authority is no relay of Patela's",
    "AlternateBridgeAuthority BridgeAuthoritativeDir BridgePassword"
  ),
  ...group(
    "it is for clients, and Patela's relays are none",
    `AllowNonRFC953Hostnames AutomapHostsOnResolve AutomapHostsSuffixes Bridge CircuitBuildTimeout
     CircuitsAvailableTimeout CircuitStreamTimeout ClientBootstrapConsensusAuthorityDownloadInitialDelay
     ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay ClientBootstrapConsensusFallbackDownloadInitialDelay
     ClientBootstrapConsensusMaxInProgressTries ClientOnly ClientPreferIPv6DirPort ClientPreferIPv6ORPort ClientUseIPv4
     ClientUseIPv6 ConfluxClientUX DormantCanceledByStartup DormantClientTimeout DormantOnFirstStartup
     DormantTimeoutDisabledByIdleStreams DormantTimeoutEnabled EntryNodes ExcludeExitNodes
     ExcludeNodes ExitNodes FascistFirewall FirewallPorts GuardLifetime LearnCircuitBuildTimeout LongLivedPorts MapAddress
     MaxCircuitDirtiness MaxClientCircuitsPending MiddleNodes NewCircuitPeriod NodeFamily NumDirectoryGuards NumEntryGuards
     NumPrimaryGuards PathBiasCircThreshold PathBiasDropGuards PathBiasExtremeRate PathBiasExtremeUseRate PathBiasNoticeRate
     PathBiasNoticeUseRate PathBiasScaleThreshold PathBiasScaleUseThreshold PathBiasUseThreshold PathBiasWarnRate
     ReachableAddresses ReachableDirAddresses ReachableORAddresses ReconfigDropsBridgeDescs RejectPlaintextPorts SafeSocks
     SocksTimeout StrictNodes TestSocks TrackHostExits TrackHostExitsExpire UpdateBridgesFromAuthority UseBridges
     UseEntryGuards UseGuardFraction VirtualAddrNetworkIPv4 VirtualAddrNetworkIPv6 WarnPlaintextPorts`
  )
])

/** Options of a private Tor network's authorities and relays: taken only where the operator turned a test network on. */
export const TEST_NETWORK_OPTIONS: ReadonlySet<string> = new Set(names(`
  AlternateDirAuthority AuthDirBadExit AuthDirBadExitCCs AuthDirFastGuarantee AuthDirGuardBWGuarantee
  AuthDirHasIPv6Connectivity AuthDirInvalid AuthDirInvalidCCs AuthDirListBadExits AuthDirListMiddleOnly
  AuthDirMaxServersPerAddr AuthDirMiddleOnly AuthDirMiddleOnlyCCs AuthDirPinKeys AuthDirReject AuthDirRejectCCs
  AuthDirRejectRequestsUnderLoad AuthDirSharedRandomness AuthDirTestEd25519LinkKeys AuthDirTestReachability
  AuthDirVoteGuard AuthDirVoteGuardBwThresholdFraction AuthDirVoteGuardGuaranteeTimeKnown AuthDirVoteGuardGuaranteeWFU
  AuthDirVoteStableGuaranteeMinUptime AuthDirVoteStableGuaranteeMTBF AuthoritativeDirectory ConsensusParams DirAuthority
  DirAuthorityFallbackRate FallbackDir MinimalAcceptedServerVersion MinMeasuredBWsForAuthToIgnoreAdvertised
  MinUptimeHidServDirectoryV2 RecommendedClientVersions RecommendedServerVersions RecommendedVersions
  TestingAuthDirTimeToLearnReachability TestingAuthKeyLifetime TestingAuthKeySlop
  TestingBridgeBootstrapDownloadInitialDelay TestingBridgeDownloadInitialDelay TestingClientConsensusDownloadInitialDelay
  TestingClientDownloadInitialDelay TestingClientMaxIntervalWithoutRequest TestingDirAuthVoteExit
  TestingDirAuthVoteExitIsStrict TestingDirAuthVoteGuard TestingDirAuthVoteGuardIsStrict TestingDirAuthVoteHSDir
  TestingDirAuthVoteHSDirIsStrict TestingDirConnectionMaxStall TestingEnableCellStatsEvent TestingEnableConnBwEvent
  TestingLinkCertLifetime TestingLinkKeySlop TestingMinExitFlagThreshold TestingMinFastFlagThreshold
  TestingMinTimeToReportBandwidth TestingServerConsensusDownloadInitialDelay TestingServerDownloadInitialDelay
  TestingSigningKeySlop TestingTorNetwork TestingV3AuthInitialDistDelay TestingV3AuthInitialVoteDelay
  TestingV3AuthInitialVotingInterval TestingV3AuthVotingStartOffset UseDefaultFallbackDirs V3AuthDistDelay
  V3AuthNIntervalsValid V3AuthoritativeDirectory V3AuthUseLegacyKey V3AuthVoteDelay V3AuthVotingInterval
  VersioningAuthoritativeDirectory
`))
