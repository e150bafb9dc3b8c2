// Verifies a bundle with nothing but what its reader brings: the network id, or a block that it trusts. Pure: no network, no clock, no file.
//
//   founding document -> first validators -> each block from the one before -> headers of shards -> each record, or that there is none -> what they say
//
// A bundle that lacks a record, or has one that nothing asks for, is refused as one with a false record is: there is one bundle for one answer.

import { equal, short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId } from '../../base/ids.ts';
import { CLOCK_DRIFT_MS, TRUST_PERIOD_MS } from '../../base/limits.ts';
import type { Verify } from '../../base/ports.ts';
import type { StatePath } from '../../shards/tree/path.ts';
import { Overlay } from '../../shards/view.ts';
import { foundingTrust } from '../chain/founding-trust.ts';
import {
  checkLightBlock,
  isExpired,
  type LightRules,
  type Trusted,
  trustedOf,
  verifyLight,
} from '../chain/light-checks.ts';
import type { TrustedBlock } from '../chain/light-client.ts';
import { recordProblem, shardsProblem } from '../chain/proven-records.ts';
import type { Moment } from '../chain/types.ts';
import { type Bundle, decodeBundle } from './bundle.ts';
import { type BundleFacts, bundleFacts } from './bundle-facts.ts';

export interface VerifyOptions {
  readonly network: NetworkId;
  /** A block of the bundle that the reader trusts, in place of the founding document. */
  readonly trust?: TrustedBlock;
  /** The reader's clock; undefined: judge as of the time of the last block, which says nothing about keys that were stolen since. */
  readonly nowMs: number | undefined;
  readonly verify: Verify;
  readonly sha256: Sha256;
}

export interface VerifiedBundle {
  readonly bundle: Bundle;
  readonly facts: BundleFacts;
  readonly moment: Moment;
  /** Block from which everything follows; 0: the founding document. */
  readonly trustedHeight: number;
}

/**
 * What the bundle proves. Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_ARGUMENT when the reader has to name a block, EXPIRED when trust in its beginning is
 * over, and INTEGRITY, INVALID_SIGNATURE or INVALID_CONFIG for what is false.
 */
export function verifyBundle(bytes: Uint8Array, options: VerifyOptions): VerifiedBundle {
  const { network, sha256 } = options;
  const bundle = decodeBundle(bytes, sha256);
  if (!equal(bundle.network, network)) {
    throw new StoreError('WRONG_NETWORK', `the bundle is of network ${short(bundle.network)}`, {
      next: 'Name its network with --network, if that is the one you mean.',
    });
  }
  const trusted = beginningOf(bundle, options);
  const { header } = bundle.blocks.at(-1)!;
  const problem = shardsProblem(header, bundle.shards, sha256);
  if (problem !== undefined) throw refused(problem);
  const facts = factsOf(bundle, provenRecords(bundle, sha256), sha256);
  const moment = { height: header.height - 1, timeMs: header.timeMs, epoch: header.epoch };
  return { bundle, facts, moment, trustedHeight: trusted.height };
}

// ---- Blocks ------------------------------------------------------------------------------------------------------

/** Where trust begins, once all blocks from there on have been verified. */
function beginningOf(bundle: Bundle, options: VerifyOptions): Trusted {
  const { beginning, rules, from } = startOf(bundle, options);
  let trusted = beginning;
  for (const block of bundle.blocks.slice(from)) {
    if (isExpired(rules, trusted)) throw expired(trusted);
    const problem = verifyLight(rules, trusted, block);
    if (problem === 'from-the-future') throw ahead(block.header);
    if (problem !== undefined) throw refused(`block ${block.header.height}: ${problem}`);
    trusted = trustedOf(block);
  }
  if (isExpired(rules, trusted)) throw expired(trusted);
  return beginning;
}

function startOf(
  { blocks, founding, network }: Bundle,
  { trust, nowMs, verify, sha256 }: VerifyOptions,
): { readonly beginning: Trusted; readonly rules: LightRules; readonly from: number } {
  const { timeMs } = blocks.at(-1)!.header;
  const rules = { network, verify, sha256, nowMs: nowMs ?? timeMs, clockDriftMs: CLOCK_DRIFT_MS };
  const founded = founding === undefined ? undefined : foundingTrust(founding, network, verify, sha256);
  const trustPeriodMs =
    nowMs === undefined ? Number.POSITIVE_INFINITY : (founded?.trustPeriodMs ?? TRUST_PERIOD_MS);
  const judged: LightRules = { ...rules, trustPeriodMs };
  if (trust === undefined) {
    if (founded === undefined) throw unnamed(blocks[0]!.header.height);
    return { beginning: founded.trusted, rules: judged, from: 0 };
  }
  const from = blocks.findIndex(({ header }) => header.height === trust.height);
  const block = blocks[from];
  if (block === undefined) {
    throw new StoreError('INVALID_ARGUMENT', `the bundle does not lead over block ${trust.height}`, {
      next: `Name one of its blocks: ${blocks
        .slice(0, 8)
        .map(({ header }) => header.height)
        .join(', ')}.`,
    });
  }
  if (!equal(block.id, trust.id)) throw refused(`its block ${trust.height} is ${toHex(block.id)}`);
  const problem = checkLightBlock(judged, block);
  if (problem !== undefined) throw refused(`block ${trust.height}: ${problem}`);
  return { beginning: trustedOf(block), rules: judged, from: from + 1 };
}

// ---- Records -----------------------------------------------------------------------------------------------------

function provenRecords({ records, shards }: Bundle, sha256: Sha256): ReadonlyMap<string, Uint8Array | null> {
  const proven = new Map<string, Uint8Array | null>();
  for (const { path, record, proof } of records) {
    const problem = recordProblem(shards, path as Uint8Array as StatePath, record, proof, sha256);
    if (problem !== undefined) throw refused(`record ${short(path)}: ${problem}`);
    proven.set(toHex(path), record);
  }
  return proven;
}

function factsOf(
  { network, object, records }: Bundle,
  proven: ReadonlyMap<string, Uint8Array | null>,
  sha256: Sha256,
): BundleFacts {
  const used = new Set<string>();
  const state = new Overlay({
    read: ({ text, kind }) => {
      const record = proven.get(text);
      if (record === undefined) throw refused(`a record of kind ${kind} is missing`);
      used.add(text);
      return record;
    },
  });
  const facts = bundleFacts(state, network, object, sha256);
  if (used.size !== records.length) throw refused('it has records that are none of the object');
  return facts;
}

// ---- Refusals ----------------------------------------------------------------------------------------------------

function refused(why: string): StoreError {
  return new StoreError('INTEGRITY', `the bundle proves nothing: ${why}`, {
    next: 'Ask for it again: it was damaged on the way, or somebody has changed it.',
  });
}

function unnamed(height: number): StoreError {
  return new StoreError(
    'INVALID_ARGUMENT',
    `the bundle begins at block ${height}, and nothing says that this is a block of the network`,
    {
      next: `Ask somebody you trust for the id of block ${height}, and give it with --trust-height and --trust-hash.`,
    },
  );
}

function expired({ height, timeMs }: Trusted): StoreError {
  const since = new Date(timeMs).toISOString();
  return new StoreError(
    'EXPIRED',
    `block ${height} of ${since} is so old that its validators answer for nothing any more`,
    {
      next: 'Ask for a newer bundle, name a later block of it with --trust-height and --trust-hash, or judge it as of its own time with --at-its-time.',
    },
  );
}

function ahead({ height, timeMs }: { readonly height: number; readonly timeMs: number }): StoreError {
  return new StoreError(
    'INTEGRITY',
    `block ${height} is of ${new Date(timeMs).toISOString()}, ahead of the clock`,
    {
      next: 'Set the clock of this machine.',
    },
  );
}
