// Looking after objects, as programs and commands do it: every operation of `Store.care`, over the store's chain and nodes.

import { toHex } from '../../base/bytes.ts';
import type { StoreNamesPorts } from '../name-release.ts';
import type { CallEvents } from '../types.ts';
import { type MadeBundle, makeBundle } from './bundle-make.ts';
import { HealthTally } from './health.ts';
import { objectParts, ownedTargets, readingWith, resolveTarget } from './read.ts';
import type { CareOptions, ObjectHealth, OwnedObject } from './types.ts';

/** As in `Care`; `signal` ends the call. */
export interface StoreCare {
  health(target: string, options: CareOptions, signal: AbortSignal): Promise<ObjectHealth>;
  prove(target: string, events: CallEvents, signal: AbortSignal): Promise<MadeBundle>;
  owned(events: CallEvents, signal: AbortSignal): Promise<readonly OwnedObject[]>;
}

export function createStoreCare(ports: StoreNamesPorts): StoreCare {
  return {
    health: (target, options, signal) => health(ports, target, options, signal),
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
