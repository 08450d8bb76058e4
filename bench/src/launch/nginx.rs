//! nginx' configuration.

use std::{net::SocketAddr, path::Path};

pub(super) fn configuration(folder: &Path, entry: SocketAddr, to: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/client_body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  upstream server {{
    server {to};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {entry};
    location / {{
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
"
    )
}
