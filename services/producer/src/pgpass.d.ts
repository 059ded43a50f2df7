/** The package has no types of its own; this is what is used of it. */
declare module 'pgpass' {
  interface Login {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
  }

  /** Looks into the file that PGPASSFILE names, or ~/.pgpass. */
  export default function pgpass(login: Login, found: (password?: string) => void): void;
}
