// Stands where a node looks for `src/runtime/network.ts`, in the build that signs twice.

import {
  createNetwork as createHonest,
  type NodeNetwork,
  type NodeNetworkOptions,
} from '../../src/runtime/network.ts';
import { doubleSigning } from './double-signer.ts';

export { createClientNetwork } from '../../src/runtime/network.ts';

export async function createNetwork(options: NodeNetworkOptions): Promise<NodeNetwork> {
  const network = await createHonest(options);
  process.stderr.write('this build signs twice\n');
  return doubleSigning(network, options.networkId, options.identity.signer);
}
