// Looking after objects, as programs and commands do it: every operation of `Store.care`, over the store's chain and nodes.

import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { ObjectRecord } from '../../shards/object-record.ts';
import { segmentCount, segmentsPerRecord } from '../../shards/object-shape.ts';
import type { StoreNamesPorts } from '../name-release.ts';
import type { CallEvents } from '../types.ts';
import { type MadeBundle, makeBundle } from './bundle-make.ts';
import { explainSegment } from './explain.ts';
import { HealthTally } from './health.ts';
import { holdersOf, networkFacts, objectRecordOf, partFacts } from './object-facts.ts';
import { drillLoss, planRemoval } from './plan.ts';
import { objectParts, ownedTargets, readingWith, resolveTarget } from './read.ts';
import type {
  CareOptions,
  DrillOptions,
  DrillReport,
  Explanation,
  ObjectHealth,
  OwnedObject,
  PlanOptions,
  RemovalPlan,
} from './types.ts';

/** As in `Care`; `signal` ends the call. */
export interface StoreCare {
  health(target: string, options: CareOptions, signal: AbortSignal): Promise<ObjectHealth>;
  explain(
    target: string,
    options: CallEvents & { readonly segment?: number },
    signal: AbortSignal,
  ): Promise<Explanation>;
  plan(node: string, options: PlanOptions, signal: AbortSignal): Promise<RemovalPlan>;
  drill(node: string, options: DrillOptions, signal: AbortSignal): Promise<DrillReport>;
  prove(target: string, events: CallEvents, signal: AbortSignal): Promise<MadeBundle>;
  owned(events: CallEvents, signal: AbortSignal): Promise<readonly OwnedObject[]>;
}

export function createStoreCare(ports: StoreNamesPorts): StoreCare {
  return {
    health: (target, options, signal) => health(ports, target, options, signal),
    explain: (target, options, signal) => explain(ports, target, options, signal),
    plan: (node, options, signal) => planRemoval(ports, node, options, signal),
    drill: (node, options, signal) => drillLoss(ports, node, options, signal),
    prove: async (text, events, signal) => {
      const { object } = await resolveTarget(ports, text, events, signal);
      const client = await ports.chain.open(signal);
      return makeBundle(ports.context, client, object, readingWith(events, signal));
    },
    owned: (events, signal) => owned(ports, events, signal),
  };
}

async function health(
  ports: StoreNamesPorts,
  text: string,
  options: CareOptions,
  signal: AbortSignal,
): Promise<ObjectHealth> {
  const target = await resolveTarget(ports, text, options, signal);
  const client = await ports.chain.open(signal);
  let tally: HealthTally | undefined;
  for await (const part of objectParts(client, target.object, readingWith(options, signal))) {
    tally ??= new HealthTally(target.object, part.record, part.network.rules);
    tally.add(part, part.holders);
    if (part.first + part.segments.length >= part.record.registered)
      return tally.result(target.uri, part.moment, options);
  }
  throw new Error('an object has a last part');
}

async function explain(
  ports: StoreNamesPorts,
  text: string,
  options: CallEvents & { readonly segment?: number },
  signal: AbortSignal,
): Promise<Explanation> {
  const { segment: index = 0 } = options;
  const { object, uri } = await resolveTarget(ports, text, options, signal);
  const client = await ports.chain.open(signal);
  const { value, height, timeMs } = await client.read(
    (state) => {
      const record = objectRecordOf(state, object);
      const network = networkFacts(state, client.network);
      const part = Math.floor(index / segmentsPerRecord(record.shape.code));
      const { first, segments } = partFacts(state, object, record, part, part + 1);
      const segment = segments[index - first];
      if (segment === undefined) throw noSegment(record, index);
      const holders = holdersOf(state, network, record, [segment]);
      return {
        record,
        network,
        explained: explainSegment(network, object, record.shape.code, index, segment, holders),
      };
    },
    readingWith(options, signal),
  );
  const { record, network, explained } = value;
  return {
    ...explained,
    object: toHex(object),
    uri,
    code: record.shape.code,
    segmentCount: segmentCount(record.shape),
    epoch: network.epoch.epoch,
    registeredAtHeight: record.registeredAtHeight,
    height,
    timeMs,
  };
}

function noSegment({ shape, registered }: ObjectRecord, index: number): StoreError {
  if (shape.isInline) {
    return new StoreError('NOT_FOUND', 'the object has no segments: its bytes are in its manifest', {
      next: 'Look at the holders of the manifest with "store health".',
    });
  }
  return new StoreError('NOT_FOUND', `the object has no segment ${index} on the chain`, {
    next: `Give a number from 0 to ${registered - 1}.`,
  });
}

async function owned(
  ports: StoreNamesPorts,
  events: CallEvents,
  signal: AbortSignal,
): Promise<readonly OwnedObject[]> {
  const objects: OwnedObject[] = [];
  for await (const { object, uri } of ownedTargets(ports, events, signal)) {
    objects.push({ object: toHex(object), uri });
  }
  return objects;
}
