/** What the second listener needs, from the YAML key `admin`. */
export interface AdminOptions {
  readonly host: string
  readonly port: number
}
