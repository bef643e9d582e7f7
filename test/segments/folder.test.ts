import t from 'tap'
import { listBoots, sealedPath } from '../../src/segments/folder.ts'
import { lockFile, segmentFile } from '../../src/segments/format.ts'
import { BOOT } from '../helpers/ledger-lines.ts'

t.test('the boots of a folder come in the order in which they began, with their segments in order', async t => {
  const later = BOOT.replace('01JD', '01JE')
  const dir = t.testdir({
    [segmentFile({ instance: 'b', boot: BOOT, number: 0, isOpen: false })]: '',
    [segmentFile({ instance: 'a', boot: later, number: 1, isOpen: true })]: '',
    [segmentFile({ instance: 'a', boot: later, number: 0, isOpen: false })]: '',
    [lockFile({ instance: 'a', boot: later })]: '',
    'notes.txt': ''
  })
  t.strictSame(
    listBoots(dir).map(({ instance, boot, segments, hasLock }) => [
      instance,
      boot,
      segments.map(s => s.number),
      hasLock
    ]),
    [
      ['b', BOOT, [0], false],
      ['a', later, [0, 1], true]
    ]
  )
  const open = listBoots(dir)[1]?.segments[1]?.path ?? ''
  t.equal(sealedPath(open), open.replace('.open', ''))
  t.equal(sealedPath(sealedPath(open)), sealedPath(open))
})
