import { printable, printableLines } from '../printable.ts'
import type { ApiKey, User } from './accounts.ts'
import type { PasswordInput } from './ask-password.ts'

/** The accounts of a file while it is edited. */
export interface Entries {
  has(name: string): boolean
  add(name: string, entry: Readonly<Record<string, string | boolean | readonly string[]>>): void
  set(name: string, key: string, value: string | boolean | undefined): void
  remove(name: string): void
}

/** How commands reach the files of accounts. What they throw as `EditError` is said to the person at the terminal. */
export interface AccountTools {
  /** The file that a configuration names. @throws EditError */
  fileOf(config: string, kind: 'users' | 'api_keys'): string
  /** @throws EditError with every fault */
  users(file: string): ReadonlyMap<string, User>
  /** @throws EditError with every fault */
  apiKeys(file: string): ReadonlyMap<string, ApiKey>
  /** Changes a file whole or not at all. @throws EditError */
  edit(
    file: string,
    kind: 'users' | 'api_keys',
    change: (entries: Entries) => void,
    options?: { readonly mayMake?: boolean }
  ): void
}

/** What a command about accounts is given. */
export interface AccountCommand {
  readonly stdin: PasswordInput
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly tools: AccountTools
}

/** Something that cannot be done as it was asked for. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: 1 | 2

  /** @param exitCode 1 for what the file says, 2 for wrong usage */
  constructor(exitCode: 1 | 2, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Finds the file that a command is about. @throws CommandError when it is not said */
export function fileFrom(
  values: { readonly file?: string | undefined; readonly config?: string | undefined },
  kind: 'users' | 'api_keys',
  tools: AccountTools
): string {
  if ((values.file === undefined) === (values.config === undefined)) {
    throw new CommandError(2, 'say which file, by either --config FILE or --file FILE.')
  }
  return values.file ?? tools.fileOf(values.config ?? '', kind)
}

/** Runs a command and says what went wrong with it. @param name for what is said */
export async function runSaying(
  name: string,
  { stderr }: Pick<AccountCommand, 'stderr'>,
  command: () => Promise<void>
): Promise<0 | 1 | 2> {
  try {
    await command()
    return 0
  } catch (err) {
    const isSaid = err instanceof CommandError || (err instanceof Error && err.name === 'EditError')
    if (!isSaid && !(err instanceof Error && 'syscall' in err)) throw err
    stderr.write(`tollgate ${name}: ${printableLines(err.message)}\n`)
    return err instanceof CommandError ? err.exitCode : 1
  }
}

/** Columns of text, each as wide as its widest value; without what a terminal would obey. */
export function columns(cells: readonly (readonly string[])[]): string {
  const rows = cells.map(row => row.map(printable))
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => (row[at] ?? '').length)))
  return rows
    .map(
      row =>
        `${row
          .map((text, at) => text.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`
    )
    .join('')
}

/** The words of `--scope`, given once or more, each with spaces between if need be. */
export function scopesFrom(values: readonly string[]): readonly string[] {
  return [...new Set(values.flatMap(text => text.split(' ')).filter(word => word !== ''))]
}
