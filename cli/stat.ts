// `store stat`: what an object is, and how many of its pieces are alive.

import type { NameStat } from '../src/client/name-types.ts';
import type { ObjectStat } from '../src/client/types.ts';
import type { ClientFlags, CommandSpec } from './command.ts';
import { KEY_OPTIONS } from './names.ts';

export const stat: CommandSpec = {
  name: 'stat',
  summary: 'show an object and how well it is kept',
  operands: '<uri>',
  options: [{ flags: '--no-check', help: 'do not ask the holders, only read the manifest' }, ...KEY_OPTIONS],
  async run(context, [uri], flags) {
    const { withStore } = await import('./open.ts');
    const { checkUri, nameJson } = await import('./names.ts');
    await checkUri(uri!);
    const check = flags['check'] !== false;
    const result = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.stat(uri!, { ...events, check }),
    );
    const { sizeBytes, name, ...rest } = result;
    const named = name === undefined ? {} : { name: nameJson(name) };
    context.output.result(await describeObject(result), { uri, size: sizeBytes, ...rest, ...named });
    return undefined;
  },
};

async function describeObject(object: ObjectStat): Promise<string> {
  const { fields, formatBytes, shortId } = await import('./format.ts');
  const { k, n } = object.code;
  const { name } = object;
  const rows: [string, string][] = [
    ...(name === undefined ? [] : nameRows(name)),
    ['cid', object.cid],
    ['size', `${formatBytes(object.sizeBytes)} (${object.sizeBytes} bytes)`],
    ['code', `any ${k} of ${n} pieces rebuild, ${object.segments} segments`],
    ['readable', object.isPublic ? 'by whoever has the CID' : 'with the key only'],
    ['certified', object.isCertified ? 'yes: every segment has enough signed confirmations' : 'no'],
  ];
  if (object.fewestPieces !== undefined) {
    const spare = object.fewestPieces - k;
    const margin = spare >= 0 ? `${spare} more may be lost` : 'too few to read it now';
    rows.push(['pieces', `${object.fewestPieces} of ${n} in the worst segment: ${margin}`]);
  }
  if (object.manifestCopies !== undefined) rows.push(['manifest', `${object.manifestCopies} copies found`]);
  if (object.missingHolders.length > 0) rows.push(['missing', object.missingHolders.map(shortId).join(' ')]);
  if (object.isTrial)
    rows.push(['trial', 'all nodes are on one machine: this is no protection against its loss']);
  return fields(rows);
}

function nameRows({ uri, etag, writtenAtHeight }: NameStat): [string, string][] {
  return [
    ['name', uri],
    ['etag', etag],
    ['written', `at height ${writtenAtHeight} of the chain`],
  ];
}
