import { isForeign, isWritableByOthers, type Ownership } from '../private-files.ts'
import { type Finding, nameShown, type Path } from './faults.ts'
import { warning } from './loose.ts'

/** What is unwise about the file of a secret. @param path where it is named @param name as it is written there */
export function fileWarnings(path: Path, name: string, owner: Ownership): Finding[] {
  const warn = (message: string, hint: string) => [{ ...warning('W402', path, message), hint }]
  const shown = nameShown(name)
  return [
    ...((owner.mode & 0o004) === 0 ? [] : warn(`every user of the machine can read ${shown}`, 'chmod o-r')),
    ...(isWritableByOthers(owner) ? warn(`others than its owner can change ${shown}`, 'chmod go-w') : []),
    ...(isForeign(owner)
      ? warn(`${shown} belongs to another user (uid ${owner.uid})`, 'it should be of root or of the user of the gate')
      : [])
  ]
}
