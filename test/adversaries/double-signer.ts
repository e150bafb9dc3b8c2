// A validator that says everything twice: each proposal and each vote of its own is followed by another for the same place, under the
// same key, for a block that is not there. It signs without asking the guard of the key. It hopes that some count the one and some the other.

import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import type { Network, Signer } from '../../src/base/ports.ts';
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { type BlockId, type Message, NO_ROUND, type Proposal, type Vote } from '../../src/consensus/types.ts';
import { BLOCK_SERVICE, MESSAGE_SERVICE } from '../../src/node/validator/transport.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';

const NOWHERE = 'd0'.repeat(32) as BlockId;

/** The network of a validator with this key, which says more than it is told to. */
export function doubleSigning<N extends Network>(network: N, networkId: NetworkId, signer: Signer): N {
  /** Others' words are passed on as they are. */
  const isOwn = (message: Message): message is Proposal | Vote =>
    (message.kind === 'proposal' || message.kind === 'prevote' || message.kind === 'precommit') &&
    nativeVerify(signer.publicKey, signBytes(networkId, message), message.signature);
  const sayOtherwise = async (peer: NodeId, header: Uint8Array, signal?: AbortSignal): Promise<void> => {
    const message = decodeMessage(header);
    if (!isOwn(message)) return;
    const other = { ...message, blockId: NOWHERE, validRound: NO_ROUND };
    const signature = signer.sign(signBytes(networkId, other));
    await network.tell(peer, MESSAGE_SERVICE, encodeMessage({ ...other, signature } as Message), signal);
  };
  return {
    ...network,
    async tell(peer, service, header, signal) {
      await network.tell(peer, service, header, signal);
      if (service === MESSAGE_SERVICE) await sayOtherwise(peer, header, signal);
    },
    async call(peer, service, request, options) {
      if (service === BLOCK_SERVICE) await sayOtherwise(peer, request.header, options?.signal);
      return network.call(peer, service, request, options);
    },
  };
}
