// Takes an object off the chain; its holders drop the pieces when they see it gone. By its owner at any time, by anybody once it has
// expired, so that nothing stays for ever because its owner has left.
//
// What was paid for epochs to come goes back to the owner, at once. One transaction takes away so many records and no more. Whoever deletes a large object repeats it until the object is gone; from
// the first on the object counts as deleted.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { digestOf } from '../../base/codec.ts';
import type { ObjectId } from '../../base/ids.ts';
import { DELETED_RECORDS_MAX } from '../../base/limits.ts';
import { unspentOf } from '../deposits.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { dropSegments, isExpired, objectKey, objectOf, putObject, segmentsKey } from '../object-record.ts';
import { objectHome } from '../state-key.ts';
import { refundDepositsMessage } from './deposits.ts';

export interface DeleteObject {
  readonly object: ObjectId;
}

export const deleteObject: HomeOperation<DeleteObject> = homeOperation({
  kind: 'delete-object',
  tag: 49,
  schema: z.tuple([digestOf<ObjectId>()]).transform(([object]): DeleteObject => ({ object })),
  tuple: ({ object }) => [object],
  home: ({ object }) => objectHome(object),
  touches: (_from, { object }) => [objectKey(object), segmentsKey(object, 0)],
  execute: ({ state, block, send }, { from, action }) => {
    const { object: id } = action;
    const object = objectOf(state, id);
    if (object === undefined) return 'no-such-object';
    const mayDelete = equal(object.owner, from) || isExpired(object, block.timeMs);
    if (!mayDelete) return 'not-the-owner';
    const left = dropSegments(state, id, object, DELETED_RECORDS_MAX);
    if (left.registered === 0) state.remove(objectKey(id));
    else putObject(state, id, { ...left, isLeaving: true, deposits: [] });
    const unspent = unspentOf(object.deposits, block.epoch);
    if (unspent.length > 0) send(refundDepositsMessage(object.owner, unspent));
    return undefined;
  },
});
