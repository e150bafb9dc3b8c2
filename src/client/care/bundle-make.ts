// Makes a bundle: finds out which records tell of the object, has all of them proven under one header, and gathers the blocks that lead there. What is made is
// verified as its reader will do it, before it is given away.

import { compare, fromHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest, ObjectId } from '../../base/ids.ts';
import {
  BUNDLE_BLOCKS_MAX,
  BUNDLE_RECORDS_MAX,
  CHAIN_WAIT_MS_MAX,
  CLOCK_DRIFT_MS,
  FOUNDING_LENGTH_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  PROVEN_PATHS_MAX,
} from '../../base/limits.ts';
import { CHAIN_SERVICES, encodeHeight, encodeNothing } from '../../shards/chain-messages.ts';
import type { ShardHeader } from '../../shards/header.ts';
import { decodeLightBlock, type LightBlock } from '../../shards/light-block.ts';
import type { StatePath } from '../../shards/tree/path.ts';
import { Overlay } from '../../shards/view.ts';
import type { OpenChainClient } from '../chain/client.ts';
import { type FoundingTrust, foundingTrust } from '../chain/founding-trust.ts';
import { recordProblem, shardsProblem } from '../chain/proven-records.ts';
import { judged, Lie } from '../chain/providers.ts';
import { askProof } from '../chain/snapshot.ts';
import { TrustLost } from '../chain/trust-lost.ts';
import type { ReadOptions } from '../chain/types.ts';
import { wayTo } from '../chain/way.ts';
import type { Context } from '../context.ts';
import { type Bundle, type BundledRecord, encodeBundle } from './bundle.ts';
import { bundleFacts } from './bundle-facts.ts';
import { type VerifiedBundle, verifyBundle } from './bundle-verify.ts';

export interface MadeBundle extends VerifiedBundle {
  readonly bytes: Uint8Array;
}

type Ports = Pick<Context, 'verify' | 'sha256' | 'clock'>;

/** Throws NOT_FOUND, BUSY when the nodes forget the state while it is asked for, UNSUPPORTED for an object that is too long, and what reading throws. */
export async function makeBundle(
  ports: Ports,
  client: OpenChainClient,
  object: ObjectId,
  options: ReadOptions,
): Promise<MadeBundle> {
  const { sha256, verify, clock } = ports;
  const { network } = client;
  const { value: paths, height } = await client.read(
    (state) => pathsOf(state, client, object, sha256),
    options,
  );
  if (paths.length > BUNDLE_RECORDS_MAX) throw tooLong(paths.length);
  const light = await client.light.at(height + 1, options.signal);
  const { shards, records } = await provenAt(client, light, paths, sha256, options.signal);
  const { founding, blocks } = await wayOf(ports, client, light, options.signal);
  const bundle: Bundle = { network, object, founding, blocks, shards, records };
  const bytes = encodeBundle(bundle);
  const [first] = blocks;
  const trust = founding === undefined ? { trust: { height: first!.header.height, id: first!.id } } : {};
  return { ...verifyBundle(bytes, { network, nowMs: clock.now(), verify, sha256, ...trust }), bytes };
}

/** Of every record that tells of the object, ascending. */
function pathsOf(
  state: Overlay,
  { network }: OpenChainClient,
  object: ObjectId,
  sha256: Sha256,
): readonly Digest[] {
  const paths = new Set<string>();
  const noting = new Overlay({
    read: (key) => {
      paths.add(key.text);
      return state.read(key);
    },
  });
  bundleFacts(noting, network, object, sha256);
  return [...paths].map((text) => fromHex(text) as Digest).sort(compare);
}

// ---- Records -----------------------------------------------------------------------------------------------------

async function provenAt(
  { light: { providers } }: OpenChainClient,
  light: LightBlock,
  paths: readonly Digest[],
  sha256: Sha256,
  signal: AbortSignal | undefined,
): Promise<{ readonly shards: readonly ShardHeader[]; readonly records: readonly BundledRecord[] }> {
  const { height } = light.header;
  const records: BundledRecord[] = [];
  let shards: readonly ShardHeader[] = [];
  for (let from = 0; from < paths.length; from += PROVEN_PATHS_MAX) {
    const some = paths.slice(from, from + PROVEN_PATHS_MAX);
    const at = { atLeast: height, exactly: height, waitMs: CHAIN_WAIT_MS_MAX, isHeaderKnown: false };
    const request = { paths: some as readonly Uint8Array[] as readonly StatePath[], ...at };
    const { value } = await providers
      .first(`the state under header ${height}`, async (node) => {
        const reply = await askProof(providers, node, request, sha256, signal);
        const { framing } = reply;
        if (reply.height !== height || framing === undefined || reply.records.length !== some.length)
          throw new Lie('another proof than was asked for');
        const found = some.map((path, index) => ({
          path,
          record: reply.records[index]!,
          proof: reply.proofs[index]!,
        }));
        const problem =
          shardsProblem(light.header, framing.shards, sha256) ??
          found
            .map(({ path, record, proof }) =>
              recordProblem(framing.shards, path as Uint8Array as StatePath, record, proof, sha256),
            )
            .find((each) => each !== undefined);
        if (problem !== undefined) throw new Lie(problem);
        return { shards: framing.shards, found };
      })
      .catch((error: unknown) => {
        if (error instanceof StoreError && error.code === 'NOT_FOUND') throw forgotten(error);
        throw error;
      });
    shards = value.shards;
    records.push(...value.found);
  }
  return { shards, records };
}

// ---- Blocks ------------------------------------------------------------------------------------------------------

/** From the founding on; where that is too old, or the nodes have none of the blocks between, the block alone. */
async function wayOf(
  ports: Ports,
  client: OpenChainClient,
  light: LightBlock,
  signal: AbortSignal | undefined,
): Promise<{ readonly founding: Uint8Array | undefined; readonly blocks: readonly LightBlock[] }> {
  const alone = { founding: undefined, blocks: [light] };
  try {
    const { bytes, trust } = await foundingOf(ports, client, signal);
    const blocks = await blocksFrom(ports, client, trust, light, signal);
    const isWhole = blocks.length > 0 && blocks.length <= BUNDLE_BLOCKS_MAX;
    return isWhole ? { founding: bytes, blocks } : alone;
  } catch (error) {
    const isExpected =
      error instanceof TrustLost || (error instanceof StoreError && error.code !== 'ABORTED');
    if (!isExpected) throw error;
    return alone;
  }
}

async function foundingOf(
  { verify, sha256 }: Ports,
  { light: { providers }, network }: OpenChainClient,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: Uint8Array; readonly trust: FoundingTrust }> {
  const question = {
    service: CHAIN_SERVICES.founding,
    header: encodeNothing(),
    maxBodyLength: FOUNDING_LENGTH_MAX,
    signal,
  };
  const { value } = await providers.first('founding document', async (node) => {
    const bytes = await providers.ask(node, question);
    return { bytes, trust: judged(() => foundingTrust(bytes, network, verify, sha256)) };
  });
  return value;
}

/** Empty when they do not lead there. */
async function blocksFrom(
  { verify, sha256, clock }: Ports,
  { light: { providers }, network }: OpenChainClient,
  { trusted, trustPeriodMs }: FoundingTrust,
  target: LightBlock,
  signal: AbortSignal | undefined,
): Promise<readonly LightBlock[]> {
  const lightAt = async (height: number, timeoutMs: number): Promise<LightBlock> => {
    const question = {
      service: CHAIN_SERVICES.light,
      header: encodeHeight(height),
      maxBodyLength: LIGHT_BLOCK_LENGTH_MAX,
    };
    const { value } = await providers.first(`light block ${height}`, async (node) => {
      const body = await providers.ask(node, { ...question, timeoutMs, signal });
      return judged(() => decodeLightBlock(body, sha256));
    });
    return value;
  };
  const rules = { network, verify, sha256, nowMs: clock.now(), trustPeriodMs, clockDriftMs: CLOCK_DRIFT_MS };
  const way = await wayTo(
    {
      rules,
      monotonic: () => clock.monotonic(),
      lightAt,
      refusal: (light, problem) => new StoreError('PROTOCOL', `block ${light.header.height}: ${problem}`),
      allowance: { requests: BUNDLE_BLOCKS_MAX },
    },
    trusted,
    target,
  );
  return way.failure === undefined ? way.blocks : [];
}

function forgotten(cause: StoreError): StoreError {
  return new StoreError('BUSY', 'the nodes have forgotten the state while it was asked for', {
    next: 'Run it again.',
    cause,
  });
}

function tooLong(records: number): StoreError {
  return new StoreError(
    'UNSUPPORTED',
    `a bundle of this object has ${records} records, and ${BUNDLE_RECORDS_MAX} are the most`,
    {
      next: 'Look at it with "store health".',
    },
  );
}
