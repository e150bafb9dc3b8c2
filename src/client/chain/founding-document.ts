// The document that a network was founded on, from any node: it proves itself against the network id.

import type { NetworkId } from '../../base/ids.ts';
import { FOUNDING_LENGTH_MAX } from '../../base/limits.ts';
import type { Verify } from '../../base/ports.ts';
import { CHAIN_SERVICES, encodeNothing } from '../../shards/chain-messages.ts';
import { decodeFounding, type FoundingDocument } from '../../shards/founding.ts';
import { judged, type Providers } from './providers.ts';

/** Throws UNREACHABLE, ABORTED, PROTOCOL. */
export async function fetchFounding(
  providers: Providers,
  network: NetworkId,
  verify: Verify,
  signal?: AbortSignal,
): Promise<FoundingDocument> {
  const question = {
    service: CHAIN_SERVICES.founding,
    header: encodeNothing(),
    maxBodyLength: FOUNDING_LENGTH_MAX,
    signal,
  };
  const { value } = await providers.first('founding document', async (node) => {
    const bytes = await providers.ask(node, question);
    return judged(() => decodeFounding(bytes, network, verify));
  });
  return value;
}
