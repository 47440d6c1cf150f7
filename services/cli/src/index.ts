import '@maestro/recipes';

export { type JobRecord, recordJob } from './chaos/recordJob.ts';
export { goodput, percentile, recoveryMs, type Sighting, type Timeline } from './chaos/timeline.ts';
export { type Cluster, type ClusterOptions, type ClusterProcess, startCluster } from './cluster/cluster.ts';
export { type DemoJobOptions, demoJob } from './demo/demoJob.ts';
export { fashionMnist } from './demo/fashionMnist.ts';
export { cutOff, type Heal, type LinkShape, shapeLink } from './network/linkFaults.ts';
export { makeNamespaceNetwork, type NamespaceNetwork } from './network/namespaceNetwork.ts';
export { type NetworkLacks, networkLacks } from './network/networkSupport.ts';
