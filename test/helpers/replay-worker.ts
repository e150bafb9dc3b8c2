// Replays the blocks of a recorded chain into an empty store, and prints what every height's state is: run by a test in a process of its own,
// which may be another release of Node.
//
//     node replay-worker.ts FILE            FILE = canonical [founding document, [[block, certificate], ...]]

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { toHex } from '../../src/base/bytes.ts';
import { bytesUpTo, decodeCanonical, encode, listOf } from '../../src/base/codec.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { BLOCK_LENGTH_MAX, FOUNDING_LENGTH_MAX } from '../../src/base/limits.ts';
import { Chain } from '../../src/node/chain/chain.ts';
import { openChainStore } from '../../src/node/chain/chain-store.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { DECISION_LENGTH_MAX, type DecisionReply, decisionTuple } from '../../src/shards/chain-messages.ts';
import {
  decodeFounding,
  encodeFounding,
  firstHead,
  type FoundingDocument,
  foundState,
} from '../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { decodeCommit } from '../../src/shards/light-block.ts';

const RECORDED_BLOCKS_MAX = 4096;
const RECORDED_LENGTH_MAX = 256 * 1024 ** 2;

const schema = z.tuple([
  bytesUpTo(32),
  bytesUpTo(FOUNDING_LENGTH_MAX),
  listOf(z.tuple([bytesUpTo(BLOCK_LENGTH_MAX), bytesUpTo(DECISION_LENGTH_MAX)]), RECORDED_BLOCKS_MAX),
]);

export function recordChain(founding: FoundingDocument, decisions: readonly DecisionReply[]): Uint8Array {
  return encode([founding.signed.record.network, encodeFounding(founding), decisions.map(decisionTuple)]);
}

/** Roots of all shards after every height, as text. */
export async function replay(recorded: Uint8Array): Promise<string[]> {
  const [network, document, decisions] = decodeCanonical(schema, recorded, RECORDED_LENGTH_MAX, 'chain');
  const founding = decodeFounding(document, network as NetworkId, nativeVerify);
  const store = await openChainStore({
    keyValue: new MemoryKeyValue(),
    sha256: nativeSha256,
    kinds: LEDGER_RULES,
  });
  const about = firstHead(founding, nativeSha256);
  await store.found(foundState(founding, nativeSha256), about, network as NetworkId);
  const rules = { networkId: network as NetworkId, rules: LEDGER_RULES, sha256: nativeSha256 };
  const chain = await Chain.open({ store, clock: { now: () => 0 }, verify: nativeVerify, ...rules });
  const roots: string[] = [];
  for (const [block, certificate] of decisions) {
    await chain.commit(decodeCommit(certificate), block);
    roots.push(chain.head.shards.map(({ stateRoot }) => toHex(stateRoot)).join(' '));
  }
  return roots;
}

if (process.argv[1] === import.meta.filename) {
  const roots = await replay(await readFile(process.argv[2]!));
  process.stdout.write(JSON.stringify({ node: process.version, roots }));
}
