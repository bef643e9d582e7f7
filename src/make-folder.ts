import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder, and those above it, where they are missing. Not with `recursive` of Node, which never returns where a folder
 * cannot be made for ENOENT, as in /proc.
 * @param mode of the folders that are made @throws the file system's error
 */
export function makeFolder(dir: string, mode: number): void {
  try {
    mkdirSync(dir, { mode })
  } catch (err) {
    const code = err instanceof Error && 'code' in err ? err.code : null
    if (code === 'ENOENT' && !existsSync(dirname(dir))) {
      makeFolder(dirname(dir), mode)
      makeFolder(dir, mode)
    } else if (code !== 'EEXIST' || !statSync(dir).isDirectory()) throw err
  }
}
