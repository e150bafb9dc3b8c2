// A validator that says two things: the network of its process is wrapped, so that half of the others get what its engine said and
// half get something else under the same key. It proposes two blocks, and votes for a block here and for nil there. At odd heights it is
// careless and says both to the same validator, which alone can prove it then.

import { compare, toHex } from '../../src/base/bytes.ts';
import type { NetworkId, NodeId } from '../../src/base/ids.ts';
import type { Network, Signer } from '../../src/base/ports.ts';
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { NO_ROUND, type Proposal, type UnsignedMessage, type Vote } from '../../src/consensus/types.ts';
import { BLOCK_SERVICE, MESSAGE_SERVICE } from '../../src/node/validator/transport.ts';
import { blockIdOf } from '../helpers/opaque-application.ts';

export function equivocating(
  network: Network,
  networkId: NetworkId,
  signer: Signer,
  validators: readonly NodeId[],
): Network {
  const sorted = [...validators].sort(compare).map(toHex);
  const isDeceived = (peer: NodeId): boolean => sorted.indexOf(toHex(peer)) % 2 === 1;
  const resigned = <T extends UnsignedMessage>(message: T): T => ({
    ...message,
    signature: signer.sign(signBytes(networkId, message)),
  });
  const isOwn = (message: Proposal | Vote): boolean => sorted[message.validator] === toHex(signer.publicKey);
  return {
    self: network.self,
    setAddresses: (peer, addresses) => network.setAddresses(peer, addresses),
    connect: (address, signal) => network.connect(address, signal),
    serve: (service) => network.serve(service),
    close: () => network.close(),
    async tell(peer, service, header, signal) {
      const message = service === MESSAGE_SERVICE && isDeceived(peer) ? decodeMessage(header) : undefined;
      const isVote = message?.kind === 'prevote' || message?.kind === 'precommit';
      const isTurned = isVote && isOwn(message) && message.blockId !== null;
      if (isTurned) {
        const lie = resigned({ ...message, blockId: null, validRound: NO_ROUND });
        await network.tell(peer, service, encodeMessage(lie), signal);
      }
      if (!isTurned || message.height % 2 === 1) await network.tell(peer, service, header, signal);
    },
    call(peer, service, request, options) {
      const message =
        service === BLOCK_SERVICE && isDeceived(peer) ? decodeMessage(request.header) : undefined;
      if (message?.kind !== 'proposal' || !isOwn(message))
        return network.call(peer, service, request, options);
      const block = (request.body?.[0] ?? new Uint8Array(0)).slice();
      block[block.length - 1]! ^= 1;
      const lie = resigned({ ...message, blockId: blockIdOf(block) });
      return network.call(peer, service, { header: encodeMessage(lie), body: [block] }, options);
    },
  };
}
