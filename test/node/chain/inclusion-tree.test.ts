import { expect, test } from 'vitest';
import { proveInclusion } from '../../../src/base/merkle.ts';
import { InclusionTree } from '../../../src/node/chain/inclusion-tree.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { digestFrom } from '../../helpers/records.ts';

test('every path of a list of any length is the one that is computed for it alone', () => {
  for (const count of [1, 2, 3, 4, 5, 7, 8, 9, 16, 33]) {
    const records = Array.from({ length: count }, (_, index) => digestFrom(`record ${index}`));
    const tree = new InclusionTree(records, nativeSha256);
    for (let index = 0; index < count; index++) {
      expect(tree.path(index), `${index} of ${count}`).toEqual(proveInclusion(records, index, nativeSha256));
    }
  }
});
