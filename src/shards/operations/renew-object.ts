// An object is to be kept longer, or until it is deleted. Never shorter: holders and readers rely on what was said.

import { z } from 'zod';
import { digestOf, uint } from '../../base/codec.ts';
import type { ObjectId } from '../../base/ids.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { ownObject } from '../object-access.ts';
import { isExpired, objectKey, putObject } from '../object-record.ts';
import { objectHome } from '../state-key.ts';

export interface RenewObject {
  readonly object: ObjectId;
  /** Milliseconds since 1970; null: until it is deleted. */
  readonly expiresAtMs: number | null;
}

export const renewObject: HomeOperation<RenewObject> = homeOperation({
  kind: 'renew-object',
  tag: 48,
  schema: z
    .tuple([digestOf<ObjectId>(), uint().nullable()])
    .transform(([object, expiresAtMs]): RenewObject => ({ object, expiresAtMs })),
  tuple: ({ object, expiresAtMs }) => [object, expiresAtMs],
  home: ({ object }) => objectHome(object),
  touches: (_from, { object }) => [objectKey(object)],
  execute: ({ state, block }, { from, action }) => {
    const object = ownObject(state, action.object, from);
    if (typeof object === 'string') return object;
    if (isExpired(object, block.timeMs)) return 'expired';
    if (lasting(action.expiresAtMs) <= lasting(object.expiresAtMs)) return 'invalid-argument';
    putObject(state, action.object, { ...object, expiresAtMs: action.expiresAtMs });
    return undefined;
  },
});

const lasting = (expiresAtMs: number | null): number => expiresAtMs ?? Number.POSITIVE_INFINITY;
